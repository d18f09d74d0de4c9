//! The clouds: those of the config, those that Azure CLI knows, and the one that is active.

use std::io;

use token_core::authority::Cloud;
use url::Url;

use crate::config::{CloudTable, Config, DEFAULT_CLOUD, Origin};
use crate::private_file;
use crate::program;
use crate::report::{Exit, Failure};

/// The cloud that is configured.
pub(crate) fn active(config: &Config) -> Result<Cloud, Failure> {
    let wanted = &named_by_sdks(config)?.unwrap_or_else(|| config.cloud.value.clone());
    match find(config, wanted)? {
        Some(cloud) => Ok(cloud),
        None => {
            let message = match program::is_az() {
                true => format!("The cloud '{wanted}' is not registered."),
                false => format!("the cloud '{wanted}' is not known"),
            };
            let failure = Failure::new(message).hint(format!("known are: {}", names(config).join(", ")));
            Err(match config.cloud.origin {
                Origin::Environment(variable) => failure.hint(format!("it is set by {variable}")),
                Origin::Chosen => failure.hint("it was set by 'cloud set'"),
                Origin::AzureCli => failure.hint("it is the cloud in Azure CLI's config"),
                _ => failure.hint(format!("it is `cloud` in {}", config.file.display())),
            })
        }
    }
}

/// The cloud of this name, without case.
pub(crate) fn named(config: &Config, name: &str) -> Result<Cloud, Failure> {
    find(config, name)?.ok_or_else(|| unknown(config, name))
}

/// All clouds: those that are built in, then those of the config.
pub(crate) fn all(config: &Config) -> Result<Vec<Cloud>, Failure> {
    let is_built_in = |name: &str| Cloud::named(name).is_some();
    let own = config.clouds.iter().filter(|(name, _)| !is_built_in(name));
    let built_in = Cloud::built_in().into_iter().map(|cloud| match find(config, &cloud.name)? {
        Some(own) => Ok(own),
        None => Ok(cloud),
    });
    built_in.chain(own.map(|(name, table)| custom(config, name, table))).collect()
}

/// That there is no cloud of this name.
pub(crate) fn unknown(config: &Config, name: &str) -> Failure {
    Failure::new(format!("The cloud '{name}' is not registered."))
        .hint(format!("there are: {}", names(config).join(", ")))
        .exit(Exit::NotFound)
}

/// Makes a cloud the active one for this user on this host, or for this job.
pub(crate) fn choose(config: &Config, name: &str) -> Result<(), Failure> {
    let file = &config.paths.cloud;
    private_file::replace(file, format!("{name}\n").as_bytes()).map_err(|error: io::Error| {
        Failure::new(format!("could not write the active cloud to {}", file.display()))
            .caused_by(&error)
            .hint("XDG_STATE_HOME, or AZURE_CONFIG_DIR, names another place")
    })
}

/// The cloud of this name, if there is one.
pub(crate) fn find(config: &Config, name: &str) -> Result<Option<Cloud>, Failure> {
    match config.clouds.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((name, table)) => custom(config, name, table).map(Some),
        None => Ok(Cloud::named(name)),
    }
}

fn custom(config: &Config, name: &str, table: &CloudTable) -> Result<Cloud, Failure> {
    let (host, manager) = (table.authority_host.clone(), table.resource_manager.clone());
    let cloud = Cloud::custom(name, host, manager, &table.resource).map_err(|error| {
        Failure::of(&error).hint(format!("it is in [clouds.{name}] in {}", config.file.display()))
    })?;
    // What calls Resource Manager by the public cloud's name is a view of the public cloud.
    let public = Cloud::named(DEFAULT_CLOUD).filter(|public| public.resource == cloud.resource);
    Ok(match public {
        Some(public) => Cloud {
            name: cloud.name,
            authority_host: cloud.authority_host,
            resource_manager: cloud.resource_manager,
            ..public
        },
        None => cloud,
    })
}

fn names(config: &Config) -> Vec<String> {
    let built_in = Cloud::built_in().into_iter().map(|cloud| cloud.name);
    config.clouds.keys().cloned().chain(built_in).collect()
}

/// The cloud that `AZURE_AUTHORITY_HOST` names, where the config names none. SDKs, and the workload identity of
/// Kubernetes, name the cloud so; Azure CLI does not look at it.
fn named_by_sdks(config: &Config) -> Result<Option<String>, Failure> {
    let Some(host) = config.authority_host.as_deref().filter(|_| config.cloud.origin == Origin::Default)
    else {
        return Ok(None);
    };
    if program::is_az() {
        return Ok(None);
    }
    let of = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    // Without a scheme it is a host, as some write it.
    let wanted = of(host).filter(url::Origin::is_tuple).or_else(|| of(&format!("https://{host}")));
    let configured = config.clouds.iter().map(|(name, table)| (name.clone(), table.authority_host.origin()));
    let built_in = Cloud::built_in().into_iter().map(|cloud| (cloud.name, cloud.authority_host.origin()));
    let former = FORMER.iter().filter_map(|(host, name)| Some(((*name).to_owned(), of(host)?)));
    let named = configured.chain(built_in).chain(former).find(|(_, origin)| Some(origin) == wanted.as_ref());
    match named {
        Some((name, _)) => Ok(Some(name)),
        None => Err(Failure::new("AZURE_AUTHORITY_HOST names the authority of no cloud that is known")
            .because(format!("it is {host:?}"))
            .hint(format!("[clouds.NAME] in {} defines another cloud", config.file.display()))),
    }
}

/// Other names of authorities that are still in use.
const FORMER: [(&str, &str); 5] = [
    ("https://login.windows.net", "AzureCloud"),
    ("https://login.microsoft.com", "AzureCloud"),
    ("https://sts.windows.net", "AzureCloud"),
    ("https://login.partner.microsoftonline.cn", "AzureChinaCloud"),
    ("https://login.usgovcloudapi.net", "AzureUSGovernment"),
];
