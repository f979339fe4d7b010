"""Jobs are claimed by the index of claims alone, whatever PostgreSQL believes of how many wait."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Where statistics say that hardly a job waits, any index of waiting jobs looks as good as the right one; sorting what
# it finds for each scope anew then costs the more the more do wait. What claims does not imply the new predicate.
_LAPSE = ("DROP INDEX job_lapse", "CREATE INDEX job_lapse ON job (lapses_at) WHERE next_attempt_at > '-infinity'")


def upgrade() -> None:
    """Make the index of what lapses unfit for anything else; on a large table accepting waits for some seconds."""
    for statement in _LAPSE:
        op.execute(statement)


def downgrade() -> None:
    """Make the index as it was."""
    op.execute("DROP INDEX job_lapse")
    op.execute("CREATE INDEX job_lapse ON job (lapses_at) WHERE next_attempt_at IS NOT NULL")
