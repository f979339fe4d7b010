"""The ports bound to PostgreSQL, gRPC and HTTP. Decides nothing about jobs."""
