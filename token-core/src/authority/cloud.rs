//! The Microsoft clouds: where their tenants sign in, and what their resources are called.

use url::Url;

use super::{UnsafeUrl, require_https};
use crate::credential::Endpoints;

/// A Microsoft cloud: where its tenants sign in, and what its resources are called.
///
/// The names of resources are kept letter by letter: `https://management.core.windows.net/` and the same without its
/// last slash are two resources to the issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cloud {
    /// What Azure CLI calls it: `AzureCloud`.
    pub name: String,
    /// Where tokens come from.
    pub authority_host: Url,
    /// Where Azure Resource Manager answers.
    pub resource_manager: Url,
    /// The default resource: Resource Manager, as `arm`.
    pub resource: String,
    /// Microsoft Graph, as `graph` and Azure CLI's `ms-graph`.
    pub graph: Option<String>,
    /// Key Vault's data, as `vault`.
    pub vault: Option<String>,
    /// Storage's data, as `storage`.
    pub storage: Option<String>,
    /// Azure AD Graph, as Azure CLI's `aad-graph`.
    pub aad_graph: Option<String>,
    /// Databases, as Azure CLI's `oss-rdbms`.
    pub oss_rdbms: Option<String>,
    /// Batch, as Azure CLI's `batch`.
    pub batch: Option<String>,
    /// Media Services, as Azure CLI's `media`.
    pub media: Option<String>,
    /// Data Lake, as Azure CLI's `data-lake`.
    pub data_lake: Option<String>,
}

impl Cloud {
    /// The clouds that Azure CLI knows.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN.iter().filter_map(BuiltIn::cloud).collect()
    }

    /// The built-in cloud of this name, compared without case.
    pub fn named(name: &str) -> Option<Self> {
        BUILT_IN.iter().find(|cloud| cloud.name.eq_ignore_ascii_case(name)).and_then(BuiltIn::cloud)
    }

    /// A cloud that a configuration defines. It has no other resource than its default one until they are set.
    pub fn custom(
        name: impl Into<String>,
        authority_host: Url,
        resource_manager: Url,
        resource: impl Into<String>,
    ) -> Result<Self, UnsafeUrl> {
        require_https(&authority_host)?;
        require_https(&resource_manager)?;
        Ok(Self {
            name: name.into(),
            authority_host,
            resource_manager,
            resource: resource.into(),
            graph: None,
            vault: None,
            storage: None,
            aad_graph: None,
            oss_rdbms: None,
            batch: None,
            media: None,
            data_lake: None,
        })
    }

    /// The resource with this short name: `arm`, `graph`, `vault`, `storage`, or one of Azure CLI's resource types
    /// (`ms-graph`, `aad-graph`, `oss-rdbms`, `batch`, `media`, `data-lake`), compared without case. `None` where
    /// there is no such name, or no such resource in this cloud.
    pub fn resource_named(&self, name: &str) -> Option<&str> {
        match name.to_ascii_lowercase().as_str() {
            "arm" => Some(&self.resource),
            "graph" | "ms-graph" => self.graph.as_deref(),
            "vault" => self.vault.as_deref(),
            "storage" => self.storage.as_deref(),
            "aad-graph" => self.aad_graph.as_deref(),
            "oss-rdbms" => self.oss_rdbms.as_deref(),
            "batch" => self.batch.as_deref(),
            "media" => self.media.as_deref(),
            "data-lake" => self.data_lake.as_deref(),
            _ => None,
        }
    }

    /// The scope that is asked for where nothing else is.
    pub fn default_scope(&self) -> String {
        scope_of(&self.resource)
    }

    /// Where a credential of this cloud's may be sent; `tenant` is asked where a request names none.
    pub fn endpoints(&self, tenant: impl Into<String>) -> Endpoints {
        Endpoints::Microsoft { authority_host: self.authority_host.clone(), tenant: tenant.into() }
    }
}

/// The scope for everything that a client may do at a resource. Nothing is trimmed: a resource that ends in a slash
/// makes a scope with two, and the audience of its tokens keeps the slash (as Azure CLI's `resource_to_scopes`).
pub fn scope_of(resource: &str) -> String {
    format!("{resource}/.default")
}

/// A row of Azure CLI's `core/cloud.py`; an empty text is an unset endpoint.
struct BuiltIn {
    name: &'static str,
    authority_host: &'static str,
    resource_manager: &'static str,
    resource: &'static str,
    graph: &'static str,
    vault: &'static str,
    aad_graph: &'static str,
    oss_rdbms: &'static str,
    batch: &'static str,
    media: &'static str,
    data_lake: &'static str,
}

impl BuiltIn {
    fn cloud(&self) -> Option<Cloud> {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Cloud {
            name: self.name.to_owned(),
            authority_host: Url::parse(self.authority_host).ok()?,
            resource_manager: Url::parse(self.resource_manager).ok()?,
            resource: self.resource.to_owned(),
            graph: set(self.graph),
            vault: set(self.vault),
            storage: set(STORAGE),
            aad_graph: set(self.aad_graph),
            oss_rdbms: set(self.oss_rdbms),
            batch: set(self.batch),
            media: set(self.media),
            data_lake: set(self.data_lake),
        })
    }
}

/// Storage has one name in all clouds.
const STORAGE: &str = "https://storage.azure.com";

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn {
        name: "AzureCloud",
        authority_host: "https://login.microsoftonline.com",
        resource_manager: "https://management.azure.com/",
        resource: "https://management.core.windows.net/",
        graph: "https://graph.microsoft.com/",
        vault: "https://vault.azure.net",
        aad_graph: "https://graph.windows.net/",
        oss_rdbms: "https://ossrdbms-aad.database.windows.net",
        batch: "https://batch.core.windows.net/",
        media: "https://rest.media.azure.net",
        data_lake: "https://datalake.azure.net/",
    },
    BuiltIn {
        name: "AzureChinaCloud",
        authority_host: "https://login.chinacloudapi.cn",
        resource_manager: "https://management.chinacloudapi.cn",
        resource: "https://management.core.chinacloudapi.cn/",
        graph: "https://microsoftgraph.chinacloudapi.cn",
        vault: "https://vault.azure.cn",
        aad_graph: "https://graph.chinacloudapi.cn/",
        oss_rdbms: "https://ossrdbms-aad.database.chinacloudapi.cn",
        batch: "https://batch.chinacloudapi.cn/",
        media: "https://rest.media.chinacloudapi.cn",
        data_lake: "",
    },
    BuiltIn {
        name: "AzureUSGovernment",
        authority_host: "https://login.microsoftonline.us",
        resource_manager: "https://management.usgovcloudapi.net/",
        resource: "https://management.core.usgovcloudapi.net/",
        graph: "https://graph.microsoft.us/",
        vault: "https://vault.usgovcloudapi.net",
        aad_graph: "https://graph.microsoftazure.us/",
        oss_rdbms: "https://ossrdbms-aad.database.usgovcloudapi.net",
        batch: "https://batch.core.usgovcloudapi.net/",
        media: "https://rest.media.usgovcloudapi.net",
        data_lake: "",
    },
    BuiltIn {
        name: "AzureBleuCloud",
        authority_host: "https://login.sovcloud-identity.fr",
        resource_manager: "https://management.sovcloud-api.fr",
        resource: "https://management.sovcloud-api.fr/",
        graph: "https://graph.svc.sovcloud.fr",
        vault: "https://vault.sovcloud-api.fr",
        aad_graph: "https://graph.svc.sovcloud.fr/",
        oss_rdbms: "https://ossrdbms-aad.database.sovcloud-api.fr",
        batch: "https://batch.sovcloud-api.fr/",
        media: "https://rest.media.sovcloud-api.fr",
        data_lake: "",
    },
];
