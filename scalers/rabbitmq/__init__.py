"""The `rabbitmq` trigger: how much a queue holds, or how fast it moves (KEDA's, facts 3).

metadata.py    the keys of the trigger, and its modes
connection.py  the keys that connect, and which brokers are the same
address.py     the key `host`: a URL by Go's rules, and the virtual host in it
figures.py     what is read of a queue, several queues as one, and each mode's number
amqp.py        over AMQP: one connection, queues counted by passive declares
session.py     one such connection: opened, its channels, its errors
transport.py   where it goes, and its socket
management.py  over the management API: a GET a queue, or the pages of a virtual host
listing.py     what that API answers
census.py      when pages cost the broker less than GETs
scaler.py      the trigger
"""

from scalers.rabbitmq.scaler import RabbitMq

__all__ = ["RabbitMq"]
