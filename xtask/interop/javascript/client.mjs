// Prints an access token as AzureCliCredential of @azure/identity gets it: SCOPE TENANT SUBSCRIPTION.

import { AzureCliCredential } from "@azure/identity";

const [scope, tenantId, subscription] = process.argv.slice(2).map((word) => (word === "-" ? undefined : word));
try {
  const token = await new AzureCliCredential({ tenantId, subscription }).getToken(scope);
  console.log(JSON.stringify({ token: token.token, expires_on: Math.floor(token.expiresOnTimestamp / 1000) }));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.name}: ${error.message}` }));
}
