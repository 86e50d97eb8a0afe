"""What the AWS triggers share: who we are, what is called, and what goes wrong.

identity.py     which credentials a trigger means (KEDA's rules), as values that can be compared
connection.py   the keys that connect: region, endpoint, credentials
client.py       what the triggers of a Source share: calls in a few threads
threads.py      these threads: started when needed, ended when idle, interrupted when nobody waits any more
calls.py        one botocore client; the only way to the modules below, since botocore is slow to import
credentials.py  sessions with credentials that refresh themselves, shared by whoever means the same
transport.py    botocore's HTTP with an address policy, a limit to answers, and an end that we choose
errors.py       what failures mean to a trigger
"""
