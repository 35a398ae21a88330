"""The canary's verbs, and what they change outside: each change is an intent in the ledger first."""
