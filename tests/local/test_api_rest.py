"""The API server over HTTPS, as a client sees it: what `kube_probe` asks of a real one, and the recorded refusals."""

import io
import json

import pytest
from served import APPLY, JSON, MERGE, STRATEGIC, TABLE, WIDGETS, definition, deployment, served, widget

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


@pytest.fixture
async def client():
    async with served() as client:
        yield client


async def test_a_created_object_gets_its_identity(client):
    status, obj = await client.post(WIDGETS, widget("a", zzz=1))
    assert status == 201
    meta = obj["metadata"]
    assert meta["generation"] == 1
    assert meta["namespace"] == "default"
    assert all(meta[key] for key in ("uid", "resourceVersion", "creationTimestamp"))
    assert obj["spec"] == {"replicas": 1, "color": "red"}, "defaulted and pruned"


async def test_creating_it_again_is_a_conflict(client):
    await client.post(WIDGETS, widget("a"))
    status, body = await client.post(WIDGETS, widget("a"))
    assert status == 409
    assert body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'widgets.lab.test "a" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "a", "group": "lab.test", "kind": "widgets"},
        "code": 409,
    }


async def test_a_name_can_be_generated(client):
    body = widget("x", meta={"generateName": "gn-"})
    del body["metadata"]["name"]
    names = {(await client.post(WIDGETS, body))[1]["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gn-") and len(name) == 8 for name in names)


async def test_a_missing_object_has_a_status_with_details(client):
    status, body = await client.get(f"{WIDGETS}/ghost")
    assert (status, body["reason"]) == (404, "NotFound")
    assert body["message"] == 'widgets.lab.test "ghost" not found'
    assert body["details"] == {"name": "ghost", "group": "lab.test", "kind": "widgets"}


@pytest.mark.parametrize(
    "path",
    ["/apis/lab.test/v1/namespaces/default/nothings", "/apis/nope.test/v1/things", "/apis/nope.test", "/x"],
)
async def test_an_unknown_path_is_plain_404(client, path):
    assert await client.get(path) == (404, "404 page not found\n")


async def test_a_body_for_another_place_is_refused(client):
    _, body = await client.post(WIDGETS, widget("x", meta={"namespace": "other"}))
    wanted = "the namespace of the provided object does not match the namespace sent on the request"
    assert (body["code"], body["message"]) == (400, wanted)
    await client.post(WIDGETS, widget("one"))
    _, body = await client.put(f"{WIDGETS}/one", widget("two"))
    assert body["message"] == "the name of the object (two) does not match the name on the URL (one)"
    _, body = await client.post(WIDGETS, {**widget("x"), "apiVersion": "lab.test/v9"})
    wanted = "the API version in the data (lab.test/v9) does not match the expected API version (lab.test/v1)"
    assert (body["code"], body["message"]) == (400, wanted)


async def test_a_namespace_must_exist(client):
    status, body = await client.post(WIDGETS.replace("default", "ghost"), widget("a"))
    assert (status, body["message"]) == (404, 'namespaces "ghost" not found')


async def test_every_fault_of_a_custom_object_is_named(client):
    status, body = await client.post(WIDGETS, widget("bad", replicas=-1, color="green", m={"a": 1}))
    assert status == 422
    causes = [(cause["field"], cause["reason"]) for cause in body["details"]["causes"]]
    assert causes == [
        ("spec.color", "FieldValueNotSupported"),
        ("spec.m.a", "FieldValueTypeInvalid"),
        ("spec.replicas", "FieldValueInvalid"),
    ]
    wanted = "Invalid value: -1: spec.replicas in body should be greater than or equal to 0"
    assert body["details"]["causes"][2]["message"] == wanted
    assert body["message"].startswith(
        'Widget.lab.test "bad" is invalid: [spec.color: Unsupported value: "green"'
    )


async def test_unknown_fields_are_told_as_asked(client):
    _, body = await client.post(f"{WIDGETS}?fieldValidation=Strict", widget("s", colour="red"))
    wanted = 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.colour"'
    assert (body["code"], body["message"]) == (400, wanted)
    url = f"{client.cluster.url}{WIDGETS}?fieldValidation=Warn"
    async with client.session.post(url, json=widget("w", colour="red")) as response:
        assert response.headers["Warning"] == '299 - "unknown field \\"spec.colour\\""'
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    _, body = await client.post(f"{DEPLOYMENTS}?fieldValidation=Strict", wrong)
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in body["message"]


async def test_a_stale_write_is_a_conflict(client):
    _, first = await client.post(WIDGETS, widget("a"))
    assert (await client.put(f"{WIDGETS}/a", {**first, "spec": {"replicas": 2}}))[0] == 200
    status, body = await client.put(f"{WIDGETS}/a", {**first, "spec": {"replicas": 3}})
    assert (status, body["reason"]) == (409, "Conflict")
    assert body["message"] == (
        'Operation cannot be fulfilled on widgets.lab.test "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    old = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "spec": {"replicas": 9}}
    assert (await client.patch(f"{WIDGETS}/a", old))[0] == 409
    status, body = await client.put(f"{WIDGETS}/a", widget("a"))
    assert (status, body["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")
    assert (await client.put(f"{WIDGETS}/a", {**first, "metadata": {**first["metadata"], "uid": "x"}}))[
        0
    ] == 409


async def test_a_lease_is_an_optimistic_lock(client):
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15}
    _, lease = await client.post(LEASES, {"metadata": {"name": "l"}, "spec": spec})
    lease["spec"]["holderIdentity"] = "b"
    assert (await client.put(f"{LEASES}/l", lease))[0] == 200
    assert (await client.put(f"{LEASES}/l", lease))[0] == 409
    status, _ = await client.patch(f"{LEASES}/l", {"spec": {"renewTime": "2026-01-01T00:00:05Z"}})
    assert status == 422, "a MicroTime needs its fraction"


async def test_merge_and_json_patches(client):
    await client.post(WIDGETS, widget("a", m={"x": "1", "y": "2"}))
    _, obj = await client.patch(f"{WIDGETS}/a", {"spec": {"m": {"x": None}}})
    assert obj["spec"]["m"] == {"y": "2"}
    steps = [
        {"op": "test", "path": "/spec/m/y", "value": "2"},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]
    _, obj = await client.patch(f"{WIDGETS}/a", steps, JSON)
    assert obj["spec"]["replicas"] == 5
    status, body = await client.patch(f"{WIDGETS}/a", [{"op": "remove", "path": "/spec/nothing"}], JSON)
    assert (status, body["reason"]) == (422, "Invalid")
    assert (await client.patch(f"{WIDGETS}/ghost", {"spec": {}}))[0] == 404


async def test_media_types_that_do_not_fit(client):
    await client.post(WIDGETS, widget("a"))
    status, body = await client.patch(f"{WIDGETS}/a", {"spec": {}}, STRATEGIC)
    accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")
    assert body["message"].endswith(f"accepted media types include: {accepted}")
    assert (await client.call("POST", WIDGETS, "x=1", "application/x-www-form-urlencoded"))[0] == 415
    status, body = await client.call("POST", WIDGETS, b"k8s\0", "application/vnd.kubernetes.protobuf")
    assert status == 415
    assert "kubectl apply -f" in body["message"]
    assert (await client.get(WIDGETS, Accept="application/vnd.kubernetes.protobuf"))[0] == 406
    status, body = await client.call("POST", WIDGETS, "{", "application/json")
    assert (status, body["reason"]) == (400, "BadRequest")


async def test_yaml_in_and_out(client):
    text = "apiVersion: lab.test/v1\nkind: Widget\nmetadata: {name: yaml}\nspec: {replicas: 1, m: {d: 2026-01-01}}\n"
    status, obj = await client.call("POST", WIDGETS, text, "application/yaml")
    assert (status, obj["spec"]["m"]) == (201, {"d": "2026-01-01"}), "a date stays text"
    _, text = await client.get(f"{WIDGETS}/yaml", Accept="application/yaml")
    assert "kind: Widget\n" in text


async def test_generation_counts_changes_of_the_spec(client):
    _, a = await client.post(WIDGETS, widget("a"))
    _, b = await client.patch(f"{WIDGETS}/a", {"metadata": {"labels": {"l": "1"}}})
    _, c = await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": 7}})
    assert [obj["metadata"]["generation"] for obj in (a, b, c)] == [1, 1, 2]
    _, same = await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": 7}})
    assert same["metadata"] == c["metadata"], "a write that changes nothing is none"


async def test_status_is_its_own_half(client):
    await client.post(WIDGETS, {**widget("a"), "status": {"replicas": 9}})
    _, obj = await client.patch(f"{WIDGETS}/a", {"status": {"replicas": 99}})
    assert "status" not in obj
    body = {"status": {"replicas": 3}, "spec": {"replicas": 77}, "metadata": {"labels": {"x": "y"}}}
    _, obj = await client.patch(f"{WIDGETS}/a/status", body)
    assert (obj["status"], obj["spec"]["replicas"]) == ({"replicas": 3}, 1)
    assert obj["metadata"]["generation"] == 1
    assert "labels" not in obj["metadata"]
    assert (await client.get(f"{WIDGETS}/a/status"))[1] == obj


async def test_scale_of_a_custom_resource(client):
    await client.post(WIDGETS, widget("a"))
    await client.patch(f"{WIDGETS}/a/status", {"status": {"replicas": 2, "selector": "app=a"}})
    _, scale = await client.get(f"{WIDGETS}/a/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 2, "selector": "app=a"},
    )
    _, scale = await client.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": 11}})
    assert scale["spec"] == {"replicas": 11}
    _, obj = await client.get(f"{WIDGETS}/a")
    assert (obj["spec"]["replicas"], obj["metadata"]["generation"]) == (11, 2)
    _, scale = await client.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": 0}})
    assert scale["spec"] == {}, "as a kube-apiserver writes zero"


async def test_scale_of_a_deployment(client):
    await client.post(DEPLOYMENTS, deployment())
    body = {"metadata": {"name": "web"}, "spec": {"replicas": 4}}
    status, scale = await client.put(f"{DEPLOYMENTS}/web/scale", body)
    assert (status, scale["status"]["selector"]) == (200, "app=web")
    assert (await client.get(f"{DEPLOYMENTS}/web"))[1]["spec"]["replicas"] == 4
    scale["metadata"]["resourceVersion"] = "1"
    assert (await client.put(f"{DEPLOYMENTS}/web/scale", scale))[0] == 409
    status, body = await client.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})
    assert (status, body["message"]) == (
        422,
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
    steps = [{"op": "replace", "path": "/spec/replicas", "value": 2}]
    assert (await client.patch(f"{DEPLOYMENTS}/web/scale", steps, JSON))[1]["spec"] == {"replicas": 2}
    assert (await client.get(f"{DEPLOYMENTS}/ghost/scale"))[0] == 404


async def test_a_custom_resource_without_the_replicas_field(client):
    spec = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    crd = definition(plural="loose", kind="Loose", spec=spec)
    client.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
    path = WIDGETS.replace("widgets", "loose")
    await client.post(path, {"metadata": {"name": "l"}, "spec": {}})
    status, body = await client.get(f"{path}/l/scale")
    assert (status, body["reason"]) == (500, "InternalError")
    assert (
        body["message"] == 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    )


async def test_strategic_merge_goes_by_the_containers_name(client):
    await client.post(DEPLOYMENTS, deployment())
    body = {"spec": {"template": {"spec": {"containers": [{"name": "c1", "image": "new"}]}}}}
    _, obj = await client.patch(f"{DEPLOYMENTS}/web", body, STRATEGIC)
    containers = obj["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("c1", "new"), ("c2", "i2")]


async def test_server_side_apply_and_its_conflicts(client):
    status, _ = await client.patch(f"{WIDGETS}/s?fieldManager=alice", widget("s", replicas=4), APPLY)
    assert status == 201
    status, obj = await client.patch(f"{WIDGETS}/s?fieldManager=alice", widget("s", replicas=5), APPLY)
    assert (status, obj["spec"]["replicas"]) == (200, 5)
    status, body = await client.patch(f"{WIDGETS}/s?fieldManager=bob", widget("s", replicas=6), APPLY)
    assert (status, body["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "alice": .spec.replicas',
    )
    path = f"{WIDGETS}/s?fieldManager=bob&force=true"
    assert (await client.patch(path, widget("s", replicas=6), APPLY))[1]["spec"]["replicas"] == 6
    status, body = await client.patch(f"{WIDGETS}/s", widget("s"), APPLY)
    assert (status, body["details"]["causes"][0]["field"]) == (422, "fieldManager")


async def test_lists_select_and_page(client):
    for name, labels in (
        ("s1", {"app": "x", "t": "1"}),
        ("s2", {"app": "x", "t": "2"}),
        ("s3", {"app": "y"}),
    ):
        await client.post(WIDGETS, widget(name, meta={"labels": labels}))
    assert await client.names(f"{WIDGETS}?labelSelector=app%3Dx") == ["s1", "s2"]
    assert await client.names(f"{WIDGETS}?labelSelector=app+in+(x,y),t!%3D1") == ["s2", "s3"]
    assert await client.names(f"{WIDGETS}?labelSelector=!t,app") == ["s3"]
    assert await client.names(f"{WIDGETS}?fieldSelector=metadata.name%3Ds1") == ["s1"]
    status, page = await client.get(f"{WIDGETS}?limit=2")
    assert (status, page["kind"], page["apiVersion"]) == (200, "WidgetList", "lab.test/v1")
    assert page["metadata"]["remainingItemCount"] == 1
    _, rest = await client.get(f"{WIDGETS}?limit=2&continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in page["items"] + rest["items"]] == ["s1", "s2", "s3"]
    assert rest["metadata"] == {"resourceVersion": page["metadata"]["resourceVersion"]}
    assert len((await client.get(f"{WIDGETS}?limit=1&resourceVersion=0"))[1]["items"]) == 3
    assert await client.names("/apis/lab.test/v1/widgets") == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("labelSelector=a+in+(b", 400, "BadRequest"),
        ("fieldSelector=spec.x%3D1", 400, "BadRequest"),
        ("resourceVersion=99999999999999", 504, "Timeout"),
        ("resourceVersion=1&resourceVersionMatch=Exact", 410, "Expired"),
        ("resourceVersionMatch=Exact", 422, "Invalid"),
        ("limit=x", 400, "BadRequest"),
        ("continue=x", 400, "BadRequest"),
    ],
)
async def test_list_options_that_do_not_fit(client, query, code, reason):
    status, body = await client.get(f"{WIDGETS}?{query}")
    assert (status, body["code"], body["reason"]) == (code, code, reason)


async def test_dry_run_stores_nothing(client):
    status, obj = await client.post(f"{WIDGETS}?dryRun=All", widget("dry"))
    assert (status, obj["spec"]["color"]) == (201, "red")
    assert (await client.get(f"{WIDGETS}/dry"))[0] == 404
    await client.post(WIDGETS, widget("a"))
    _, changed = await client.patch(f"{WIDGETS}/a?dryRun=All", {"spec": {"replicas": 9}})
    assert changed["spec"]["replicas"] == 9
    await client.delete(f"{WIDGETS}/a?dryRun=All")
    assert (await client.get(f"{WIDGETS}/a"))[1]["spec"]["replicas"] == 1


async def test_deleting(client):
    _, obj = await client.post(WIDGETS, widget("p"))
    status, body = await client.delete(f"{WIDGETS}/p", {"preconditions": {"uid": "nope"}})
    assert (status, body["reason"]) == (409, "Conflict")
    status, body = await client.delete(f"{WIDGETS}/p", {"preconditions": {"resourceVersion": "1"}})
    assert status == 409
    assert "the ResourceVersion in the precondition (1) does not match" in body["message"]
    assert (await client.delete(f"{WIDGETS}/p", {"propagationPolicy": "Sometimes"}))[0] == 422
    status, body = await client.delete(f"{WIDGETS}/p")
    details = {"name": "p", "group": "lab.test", "kind": "widgets", "uid": obj["metadata"]["uid"]}
    assert (status, body["status"], body["details"]) == (200, "Success", details)


async def test_deleting_a_selection(client):
    for name, app in (("a", "x"), ("b", "y"), ("c", "y")):
        await client.post(WIDGETS, widget(name, meta={"labels": {"app": app}}))
    status, body = await client.delete(f"{WIDGETS}?labelSelector=app%3Dy")
    assert (status, len(body["items"])) == (200, 2)
    assert await client.names(WIDGETS) == ["a"]


async def test_tables_and_metadata_alone(client):
    columns = [
        {"name": "Rep", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Born", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    crd = definition(plural="gadgets", kind="Gadget", additionalPrinterColumns=columns)
    client.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
    path = WIDGETS.replace("widgets", "gadgets")
    await client.post(path, {"metadata": {"name": "g"}, "spec": {"replicas": 3}})
    conditions = [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]
    await client.patch(f"{path}/g/status", {"status": {"conditions": conditions}})
    _, table = await client.get(path, Accept=TABLE)
    assert (table["kind"], [c["name"] for c in table["columnDefinitions"]]) == (
        "Table",
        ["Name", "Rep", "Ready", "Born"],
    )
    (row,) = table["rows"]
    assert row["cells"][:3] == ["g", 3, "True"]
    assert row["cells"][3].endswith("s")
    assert row["object"]["kind"] == "PartialObjectMetadata"
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    _, found = await client.get(path, Accept=accept)
    assert found["kind"] == "PartialObjectMetadataList"
    assert "spec" not in found["items"][0]


async def test_discovery_names_everything(client):
    _, groups = await client.get("/apis")
    names = {group["name"] for group in groups["groups"]}
    assert {"apps", "autoscaling", "lab.test", "events.k8s.io", "authorization.k8s.io"} <= names
    _, found = await client.get("/apis/lab.test/v1")
    assert [entry["name"] for entry in found["resources"]] == ["widgets", "widgets/status", "widgets/scale"]
    assert found["resources"][0]["shortNames"] == ["wg"]
    assert found["resources"][2]["kind"] == "Scale"
    assert (await client.get("/api"))[1]["versions"] == ["v1"]
    assert (await client.get("/version"))[1]["major"] == "1"


async def test_openapi_describes_both_sorts_of_kinds(client):
    _, index = await client.get("/openapi/v3")
    assert {"api/v1", "apis/apps/v1", "apis/lab.test/v1"} <= set(index["paths"])
    _, custom = await client.get(index["paths"]["apis/lab.test/v1"]["serverRelativeURL"])
    schema = custom["components"]["schemas"]["test.lab.v1.Widget"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "lab.test", "version": "v1", "kind": "Widget"}
    ]
    _, apps = await client.get("/openapi/v3/apis/apps/v1")
    one = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= {
        each["name"] for each in one["parameters"]
    }
    status, whole = await client.get("/openapi/v2")
    assert (status, whole["swagger"]) == (200, "2.0")
    assert "io.k8s.api.apps.v1.Deployment" in whole["definitions"]


async def test_reviews(client):
    group = "/apis/authorization.k8s.io/v1"
    asked = {"user": "weak", "nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    _, body = await client.post(f"{group}/subjectaccessreviews", {"spec": asked})
    assert body["status"] == {"allowed": False}
    about = {"resourceAttributes": {"verb": "delete", "group": "apps", "resource": "deployments"}}
    _, body = await client.post(f"{group}/selfsubjectaccessreviews", {"spec": about})
    assert body["status"] == {"allowed": True}
    tokens = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, body = await client.post(tokens, {"spec": {"token": "nope"}})
    assert body["status"] == {"user": {}, "error": "invalid bearer token"}
    _, body = await client.post(tokens, {"spec": {"token": client.cluster.token}})
    assert body["status"]["authenticated"] is True


async def test_who_may_speak(client):
    _, body = await client.get(WIDGETS, Authorization="Bearer wrong")
    assert (body["code"], body["reason"], body["message"]) == (401, "Unauthorized", "Unauthorized")
    assert (await client.get(WIDGETS, Authorization="Basic eA=="))[0] == 401
    for path in ("/healthz", "/livez", "/readyz"):
        assert await client.get(path, Authorization="") == (200, "ok")
    assert await client.get("/readyz/ping") == (200, "ok")
    assert (await client.get("/readyz/ping", Authorization=""))[0] == 403
    port = client.cluster.port
    assert (await client.get(WIDGETS, Host=f"localhost:{port}"))[0] == 200
    for host in ("evil.test", f"evil.test:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1.evil.test"):
        assert (await client.get("/healthz", Host=host))[0] == 403


async def test_methods_that_do_not_fit(client):
    await client.post(WIDGETS, widget("a"))
    assert (await client.post(f"{WIDGETS}/a", {}))[0] == 405
    assert (await client.put(WIDGETS, {}))[0] == 405
    assert (await client.post("/apis/lab.test/v1/widgets", widget("b")))[0] == 405
    assert (await client.get(f"{WIDGETS}/a/nothing"))[0] == 404


async def test_events_have_two_faces(client):
    core = {
        "metadata": {"name": "e.1"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Because",
        "message": "words",
        "type": "Normal",
    }
    assert (await client.post("/api/v1/namespaces/default/events", core))[0] == 201
    _, new = await client.get("/apis/events.k8s.io/v1/namespaces/default/events/e.1")
    assert (new["apiVersion"], new["note"], new["regarding"]["name"]) == ("events.k8s.io/v1", "words", "p")
    new = {"metadata": {"name": "e.2"}, "note": "other", "regarding": {"namespace": "default"}, "reason": "R"}
    assert (await client.post("/apis/events.k8s.io/v1/namespaces/default/events", new))[0] == 201
    assert (await client.get("/api/v1/namespaces/default/events/e.2"))[1]["message"] == "other"
    assert await client.names("/api/v1/namespaces/default/events?fieldSelector=reason%3DR") == ["e.2"]


async def test_an_autoscaler_is_checked_and_made_canonical(client):
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    target = {"type": "AverageValue", "averageValue": "2.500"}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 3,
        "metrics": [{"type": "External", "external": {"metric": {"name": "s0"}, "target": target}}],
    }
    status, obj = await client.post(path, {"metadata": {"name": "h"}, "spec": spec})
    assert (status, obj["spec"]["minReplicas"]) == (201, 1)
    assert obj["spec"]["metrics"][0]["external"]["target"]["averageValue"] == "2500m"
    status, body = await client.post(path, {"metadata": {"name": "i"}, "spec": {**spec, "maxReplicas": 0}})
    assert (status, body["details"]["causes"][0]["field"]) == (422, "spec.maxReplicas")


async def test_secrets_and_config_maps_hold_text(client):
    secrets = "/api/v1/namespaces/default/secrets"
    _, obj = await client.post(secrets, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (obj["data"], obj["type"], "stringData" in obj) == ({"a": "Yg=="}, "Opaque", False)
    assert (await client.post(secrets, {"metadata": {"name": "t"}, "data": {"a": "?"}}))[0] == 400
    assert (await client.post(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a": 1}}))[0] == 400
    assert (await client.post(CONFIG_MAPS, {"metadata": {"name": "Bad_Name"}}))[0] == 422


async def test_what_an_aggregated_server_reads_at_its_start(client):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    _, obj = await client.get(path)
    assert obj["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert obj["data"]["requestheader-client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


async def test_a_body_beyond_the_limit_is_refused(client):
    body = {"metadata": {"name": "big"}, "data": {"k": "x" * (3 * 2**20)}}
    url = client.cluster.url + CONFIG_MAPS
    async with client.session.post(url, data=io.BytesIO(json.dumps(body).encode())) as response:
        assert response.status == 413


async def test_merge_patch_of_something_else_than_an_object(client):
    await client.post(WIDGETS, widget("a"))
    assert (await client.patch(f"{WIDGETS}/a", [1], MERGE))[0] == 400
    assert (await client.patch(f"{WIDGETS}/a", {"metadata": "x"}, MERGE))[0] == 400
