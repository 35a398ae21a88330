"""The canary's verbs; each change outside is first written to the ledger as an intent."""
