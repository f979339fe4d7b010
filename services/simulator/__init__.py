"""Stand in for the provider: a real HTTP server with the WhatsApp Cloud API's messages and status webhooks.

It owns the fate of each message it is sent and a ledger of what arrived and what it accepted. It refuses to
know who calls it and why: no gate, executor, control or audit, no database, no gRPC.
"""
