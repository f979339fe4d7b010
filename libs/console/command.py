"""The `whatlead` command line. Parses, calls and shows; what takes long to import is imported where it is used.

Exit status: 0 done, 1 refused or failed, 2 bad usage or input, 3 a service cannot be reached.
"""

import sys

import typer

from console.commands import asking, keeping, running, sending
from console.commands.frame import stop

_HELP = """Governed message dispatch: start it, submit to it, stop it, ask it.

Tables on a terminal, JSON in a pipe. Exit status: 0 done, 1 refused or failed, 2 bad usage or input, 3 a service
cannot be reached.
"""
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)

for part in (running, sending, asking, keeping):
    app.add_typer(part.app)


def main() -> None:
    """Run the command and turn what went wrong into one line that says what to do."""
    from console.connection import NotConnected
    from console.controls import BadPlan
    from console.leads import BrokenFile
    from console.ports import PortsTaken
    from console.processes import ProcessEnded
    from console.subjects import NoNumber
    from console.verification import BadEvidence, BadKey
    from kernel.errors import Failure, Kind

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (BadKey, BadPlan, BrokenFile, NoNumber, PortsTaken) as error:
        stop(str(error), 2)
    except BadEvidence as error:
        stop(f"the log is not what was signed: {error}", 1)
    except (NotConnected, ProcessEnded) as error:
        stop(str(error), 3)
    except Failure as failure:
        hint = " — is the system running? `whatlead up` starts it" if failure.kind is Kind.UNAVAILABLE else ""
        codes = {Kind.UNAVAILABLE: 3, Kind.INVALID_ARGUMENT: 2}
        stop(f"{failure}{hint}", codes.get(failure.kind, 1))


if __name__ == "__main__":
    main()
