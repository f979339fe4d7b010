SELECT summarize_transactions()
