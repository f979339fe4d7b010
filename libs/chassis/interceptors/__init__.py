"""What happens around every call, one concern a module. The order is declared once, in `server` and in `client`."""

from chassis.interceptors.call import note

__all__ = ["note"]
