//! Who and what exists: users, tenants, subscriptions, clients.

use serde::{Deserialize, Serialize};

/// Everything that the issuer knows about. The default holds Ada, two tenants, three subscriptions and one service
/// principal; the constants name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The people; the first one approves where nobody is named.
    pub users: Vec<User>,
    /// The Microsoft tenants.
    pub tenants: Vec<Tenant>,
    /// The Azure subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The confidential clients. Every other client id is taken for a public client.
    pub clients: Vec<Client>,
    /// The managed identities of the host; the first is the host's own.
    pub identities: Vec<Identity>,
}

/// A person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user name, as in `preferred_username`.
    pub name: String,
    /// The name to show.
    pub display_name: String,
    /// The object id, also the subject at the OpenID Connect issuer.
    pub oid: String,
    /// The id of the tenant that the person belongs to.
    pub home_tenant: String,
}

/// A Microsoft tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The tenant id.
    pub id: String,
    /// The name to show.
    pub display_name: String,
    /// The default domain, which names the tenant in a path as well as its id does.
    pub domain: String,
}

/// An Azure subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The subscription id.
    pub id: String,
    /// The name to show.
    pub display_name: String,
    /// The tenant whose tokens can see it.
    pub tenant: String,
    /// `Enabled`, `Disabled`, `Warned` …
    pub state: String,
}

/// A confidential client; at Microsoft, a service principal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// The object id of its service principal.
    pub oid: String,
    /// Its secret.
    pub secret: String,
    /// The certificates whose keys sign its assertions, in PEM.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Whose certificates do so without being known, where they come along.
    #[serde(default)]
    pub subject_name_issuer: Option<SubjectNameIssuer>,
    /// Whose assertions about whom prove it.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
}

/// A subject, and the authority that has to have signed its certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectNameIssuer {
    /// The subject, as in `CN=build.contoso.example`.
    pub subject: String,
    /// The authority's certificate, in PEM.
    pub authority: String,
}

/// An assertion that proves a client: all three have to be letter by letter those in the assertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// The last part of [`Issuer::federation`](crate::Issuer::federation).
    pub provider: String,
    /// Whom the assertion is about.
    pub subject: String,
    /// Whom it is for.
    pub audience: String,
}

/// A managed identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The client id.
    pub client_id: String,
    /// The object id.
    pub object_id: String,
    /// The resource id.
    pub resource_id: String,
}

impl World {
    /// The user name of the default user.
    pub const USER: &str = "ada@contoso.example";
    /// The object id of the default user.
    pub const USER_OID: &str = "33333333-3333-3333-3333-333333333333";
    /// Contoso, the home tenant of the default user.
    pub const HOME_TENANT: &str = "11111111-1111-1111-1111-111111111111";
    /// Fabrikam, where the default user is a guest.
    pub const SECOND_TENANT: &str = "22222222-2222-2222-2222-222222222222";
    /// The subscription "Build" in Contoso.
    pub const BUILD: &str = "bbbbbbbb-0000-4000-8000-000000000001";
    /// The subscription "Production" in Contoso.
    pub const PRODUCTION: &str = "bbbbbbbb-0000-4000-8000-000000000002";
    /// The subscription "Lab" in Fabrikam.
    pub const LAB: &str = "bbbbbbbb-0000-4000-8000-000000000003";
    /// The client id of the service principal.
    pub const CLIENT_ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    /// The secret of the service principal. It holds what form encoding changes, so that Basic is tested in earnest.
    pub const CLIENT_SECRET: &str = "s3cret:+ä/%~";

    /// What the job of GitHub Actions is to its provider.
    pub const GITHUB_SUBJECT: &str = "repo:contoso/app:ref:refs/heads/main";
    /// What the job of Azure Pipelines is, by its service connection [`CONNECTION`](Self::CONNECTION).
    pub const PIPELINES_SUBJECT: &str = "sc://contoso/app/deploy";
    /// The id of the service connection.
    pub const CONNECTION: &str = "cccccccc-0000-4000-8000-000000000001";
    /// What a pod of Kubernetes is.
    pub const POD_SUBJECT: &str = "system:serviceaccount:build:agent";
    /// Whom assertions for Microsoft's public cloud are for.
    pub const AUDIENCE: &str = "api://AzureADTokenExchange";
    /// What a job asks for its assertion with.
    pub const JOB_TOKEN: &str = "job-token/s3cret";
    /// What a process proves with that it is of the app, in App Service.
    pub const IDENTITY_HEADER: &str = "identity-header-s3cret";
    /// The client id of the host's own managed identity.
    pub const SYSTEM_ASSIGNED: &str = "dddddddd-0000-4000-8000-000000000001";
    /// The client id of the managed identity that the host was given.
    pub const USER_ASSIGNED: &str = "dddddddd-0000-4000-8000-000000000002";
    /// Its object id.
    pub const USER_ASSIGNED_OBJECT: &str = "eeeeeeee-0000-4000-8000-000000000002";
    /// Its resource id.
    pub const USER_ASSIGNED_RESOURCE: &str = "/subscriptions/bbbbbbbb-0000-4000-8000-000000000001/resourcegroups/build/\
         providers/Microsoft.ManagedIdentity/userAssignedIdentities/agent";

    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The tenant that a path segment names, by id or domain.
    pub(crate) fn tenant(&self, segment: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == segment || tenant.domain.eq_ignore_ascii_case(segment))
    }
}

impl Default for World {
    fn default() -> Self {
        let tenant = |id: &str, name: &str, domain: &str| Tenant {
            id: id.into(),
            display_name: name.into(),
            domain: domain.into(),
        };
        let subscription = |id: &str, name: &str, tenant: &str| Subscription {
            id: id.into(),
            display_name: name.into(),
            tenant: tenant.into(),
            state: "Enabled".into(),
        };
        Self {
            users: vec![User {
                name: Self::USER.into(),
                display_name: "Ada".into(),
                oid: Self::USER_OID.into(),
                home_tenant: Self::HOME_TENANT.into(),
            }],
            tenants: vec![
                tenant(Self::HOME_TENANT, "Contoso", "contoso.example"),
                tenant(Self::SECOND_TENANT, "Fabrikam", "fabrikam.example"),
            ],
            subscriptions: vec![
                subscription(Self::BUILD, "Build", Self::HOME_TENANT),
                subscription(Self::PRODUCTION, "Production", Self::HOME_TENANT),
                subscription(Self::LAB, "Lab", Self::SECOND_TENANT),
            ],
            clients: vec![Client {
                id: Self::CLIENT_ID.into(),
                oid: "44444444-4444-4444-4444-444444444444".into(),
                secret: Self::CLIENT_SECRET.into(),
                certificates: Vec::new(),
                subject_name_issuer: None,
                federated: [
                    ("github", Self::GITHUB_SUBJECT),
                    ("pipelines", Self::PIPELINES_SUBJECT),
                    ("cluster", Self::POD_SUBJECT),
                ]
                .map(|(provider, subject)| FederatedCredential {
                    provider: provider.into(),
                    subject: subject.into(),
                    audience: Self::AUDIENCE.into(),
                })
                .into(),
            }],
            identities: vec![
                Identity {
                    client_id: Self::SYSTEM_ASSIGNED.into(),
                    object_id: "eeeeeeee-0000-4000-8000-000000000001".into(),
                    resource_id: "/subscriptions/bbbbbbbb-0000-4000-8000-000000000001/vm".into(),
                },
                Identity {
                    client_id: Self::USER_ASSIGNED.into(),
                    object_id: Self::USER_ASSIGNED_OBJECT.into(),
                    resource_id: Self::USER_ASSIGNED_RESOURCE.into(),
                },
            ],
        }
    }
}
