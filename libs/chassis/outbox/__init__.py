"""The transactional outbox. What a service tells another is stored with the fact itself, and delivered at least
once and in no order. Knows neither the services nor their messages.
"""

from chassis.outbox.outbox import Outbox, PostingTransaction
from chassis.outbox.parcels import Backlog, Parcel, Receiver, Refusal
from chassis.outbox.refused import RefusedItem
from chassis.outbox.store import outbox_ddl

__all__ = ["Backlog", "Outbox", "Parcel", "PostingTransaction", "Receiver", "Refusal", "RefusedItem", "outbox_ddl"]
