"""Answer the gate's calls, one module a service: translate, ask the use case, translate back. Decides nothing."""

from gate.grpc_api.instances import InstanceApi
from gate.grpc_api.intents import GateApi
from gate.grpc_api.policies import PolicyApi
from gate.grpc_api.signals import SignalApi
from gate.grpc_api.subjects import SubjectApi

__all__ = ["GateApi", "InstanceApi", "PolicyApi", "SignalApi", "SubjectApi"]
