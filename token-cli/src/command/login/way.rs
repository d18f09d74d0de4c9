//! In which way somebody signs in at Microsoft, by the options that were typed.

use token_core::{ManagedIdentity, Secret};

use super::federated_token::Federation;
use super::secret;
use crate::args::{Login, given};
use crate::az;
use crate::program;
use crate::report::{Exit, Failure};

/// One of the ways to sign in.
#[derive(Debug)]
pub(super) enum Way {
    /// A person, in a browser here or anywhere.
    Person(Page),
    /// An application, by what it proves itself with.
    ServicePrincipal { id: String, proof: Proof },
    /// What the host we run on is.
    ManagedIdentity(ManagedIdentity),
}

/// Where a person signs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Page {
    /// In a browser that we open, where one can be opened.
    Here,
    /// In any browser, with a code.
    Anywhere,
}

/// What a service principal proves itself with.
#[derive(Debug)]
pub(super) enum Proof {
    Secret(Secret),
    Certificate { file: String, password: Option<Secret>, subject_name: bool },
    Federated(Federation),
}

impl Way {
    /// What the options say, checked in Azure CLI's order and refused in its words.
    pub(super) fn of(typed: &Login) -> Result<Self, Failure> {
        let principal = &typed.principal;
        let identity = typed.managed_identity.identity;
        let tenant = given(&typed.tenant);
        let password = given(&principal.password);
        // In a pod of Kubernetes the environment says who is meant.
        let pod = Federation::of_pod(typed);
        let name = given(&principal.username).map(str::to_owned).or_else(|| pod.client_id.clone());
        let has_tenant = tenant.is_some() || pod.tenant.is_some();
        if identity && (password.is_some() || principal.service_principal || tenant.is_some()) {
            return refuse("usage error: '--identity' is not applicable with other arguments");
        }
        if identity && name.is_some() {
            return refuse(
                "Passing the managed identity ID with --username is no longer supported. Use --client-id, --object-id \
                 or --resource-id instead.",
            );
        }
        let somebody_else = password.is_some() || principal.service_principal || name.is_some() || identity;
        if typed.use_device_code && somebody_else {
            return refuse("usage error: '--use-device-code' is not applicable with other arguments");
        }
        if principal.use_cert_sn_issuer && !principal.service_principal {
            return refuse("usage error: '--use-sn-issuer' is only applicable with a service principal");
        }
        if principal.service_principal && name.is_none() {
            return usage_of_principals();
        }
        subscriptions(typed)?;
        if identity {
            return selector(typed).map(Self::ManagedIdentity);
        }
        misplaced(typed)?;
        match name {
            Some(id) if principal.service_principal => {
                let proof = Proof::of(typed)?;
                if !has_tenant {
                    return usage_of_principals();
                }
                Ok(Self::ServicePrincipal { id, proof })
            }
            Some(_) => Err(Failure::new("a person cannot sign in with a user name and a password")
                .because("Microsoft asks persons for a second factor, which takes a browser")
                .hint(format!("'{} login' signs in a person", program::name()))
                .hint("--service-principal signs in an application")
                .exit(Exit::Misuse)),
            None if typed.use_device_code => Ok(Self::Person(Page::Anywhere)),
            None => Ok(Self::Person(Page::Here)),
        }
    }
}

impl Proof {
    fn of(typed: &Login) -> Result<Self, Failure> {
        let principal = &typed.principal;
        match given(&principal.password) {
            // What az takes is the secret itself, whatever it looks like.
            Some(text) if program::is_az() => Ok(Self::Secret(Secret::new(text))),
            Some(text) => secret::read("--password", text).map(Self::Secret),
            None => match Self::asserted(typed)? {
                Some(proof) => Ok(proof),
                None => secret::ask().map(Self::Secret),
            },
        }
    }

    /// What proves a client without a secret, where anything does.
    pub(super) fn asserted(typed: &Login) -> Result<Option<Self>, Failure> {
        let principal = &typed.principal;
        let Some(file) = given(&principal.certificate) else {
            return Ok(Federation::of(typed)?.map(Self::Federated));
        };
        Ok(Some(Self::Certificate {
            file: file.to_owned(),
            password: given(&principal.certificate_password)
                .map(|text| secret::read("--certificate-password", text))
                .transpose()?,
            subject_name: principal.use_cert_sn_issuer,
        }))
    }
}

/// Which of a host's managed identities is meant.
fn selector(typed: &Login) -> Result<ManagedIdentity, Failure> {
    let own = &typed.managed_identity;
    match (given(&typed.client_id), given(&own.object_id), given(&own.resource_id)) {
        (None, None, None) => Ok(ManagedIdentity::SystemAssigned),
        (Some(id), None, None) => Ok(ManagedIdentity::ClientId(id.to_owned())),
        (None, Some(id), None) => Ok(ManagedIdentity::ObjectId(id.to_owned())),
        (None, None, Some(id)) => Ok(ManagedIdentity::ResourceId(id.to_owned())),
        _ => refuse("Usage error: Provide only one of --client-id, --object-id, --resource-id."),
    }
}

/// Which subscriptions are looked for has rules of its own.
fn subscriptions(typed: &Login) -> Result<(), Failure> {
    let wanted = &typed.subscriptions;
    if !wanted.skip_subscription_discovery {
        return Ok(());
    }
    if given(&typed.tenant).is_none() {
        return refuse("usage error: '--skip-subscription-discovery' requires '--tenant'");
    }
    match given(&wanted.subscription) {
        Some(text) if !az::is_guid(text) => refuse(
            "usage error: '--subscription' must be a subscription ID (GUID), not a name, when combined with \
             '--skip-subscription-discovery'.",
        ),
        _ => Ok(()),
    }
}

/// Options that mean nothing for who signs in.
fn misplaced(typed: &Login) -> Result<(), Failure> {
    let program = program::name();
    let principal = &typed.principal;
    let of_principals = [
        ("--password", &principal.password),
        ("--certificate", &principal.certificate),
        ("--federated-token", &principal.federated_token),
    ];
    let of_issuers = [("--client-id", &typed.client_id), ("--client-secret", &typed.issuer.client_secret)];
    let given = |options: &[(&'static str, &Option<String>)]| {
        options.iter().find(|(_, value)| given(value).is_some()).map(|(option, _)| *option)
    };
    let hint = format!("a service principal signs in with '{program} login --service-principal'");
    if let Some(option) =
        given(&of_principals).filter(|_| !principal.service_principal && principal.username.is_none())
        // Azure CLI lets a person sign in then, and has no use for it.
        && !program::is_az()
    {
        return Err(Failure::new(format!("{option} goes with --service-principal"))
            .hint(hint)
            .exit(Exit::Misuse));
    }
    match given(&of_issuers) {
        // Azure CLI takes the client id of a managed identity here too, and has no use for it.
        Some("--client-id") if program::is_az() => Ok(()),
        Some(option) => Err(Failure::new(format!("{option} goes with --issuer or --identity"))
            .hint(hint)
            .exit(Exit::Misuse)),
        None => Ok(()),
    }
}

fn usage_of_principals<T>() -> Result<T, Failure> {
    let program = program::name();
    let secret = if program::is_az() { "…" } else { "env:NAME" };
    refuse("usage error: --service-principal --username NAME --password SECRET --tenant TENANT").map_err(
        |failure| {
            let failure = failure.hint(format!(
                "{program} login --service-principal --username ID --password {secret} --tenant TENANT"
            ));
            if program::is_az() {
                return failure;
            }
            failure.hint(
                "in place of a password: --certificate, --federated-token-file, --github-actions or --azure-pipelines",
            )
        },
    )
}

fn refuse<T>(text: &str) -> Result<T, Failure> {
    Err(Failure::new(text).exit(Exit::Misuse))
}
