"""Prints an access token as AzureCliCredential of azure-identity gets it: SCOPE TENANT SUBSCRIPTION."""

import json
import sys

from azure.identity import AzureCliCredential

scope, tenant, subscription = sys.argv[1:]
options = {}
if tenant != "-":
    options["tenant_id"] = tenant
if subscription != "-":
    options["subscription"] = subscription
try:
    token = AzureCliCredential(process_timeout=60, **options).get_token(scope)
    print(json.dumps({"token": token.token, "expires_on": token.expires_on}))
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
