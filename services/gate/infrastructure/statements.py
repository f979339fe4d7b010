"""The gate's statements, read once from queries/."""

from chassis.database import Queries, load_queries

queries: Queries = load_queries("gate")
