//! The active cloud.

use token_core::authority::Cloud;

use crate::config::{Config, DEFAULT_CLOUD, Origin};
use crate::report::Failure;

/// The cloud that is configured: one of `[clouds]`, or one that Azure CLI knows.
pub(crate) fn active(config: &Config) -> Result<Cloud, Failure> {
    let wanted = &config.cloud.value;
    let table = config.clouds.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if let Some((name, table)) = table {
        let (host, manager) = (table.authority_host.clone(), table.resource_manager.clone());
        let cloud = Cloud::custom(name, host, manager, &table.resource).map_err(|error| {
            Failure::of(&error).hint(format!("it is in [clouds.{name}] in {}", config.file.display()))
        })?;
        // What calls Resource Manager by the public cloud's name is a view of the public cloud.
        let public = Cloud::named(DEFAULT_CLOUD).filter(|public| public.resource == cloud.resource);
        return Ok(match public {
            Some(public) => Cloud {
                name: cloud.name,
                authority_host: cloud.authority_host,
                resource_manager: cloud.resource_manager,
                ..public
            },
            None => cloud,
        });
    }
    Cloud::named(wanted).ok_or_else(|| {
        let built_in = Cloud::built_in().into_iter().map(|cloud| cloud.name);
        let known: Vec<String> = config.clouds.keys().cloned().chain(built_in).collect();
        let failure = Failure::new(format!("the cloud '{wanted}' is not known"))
            .hint(format!("known are: {}", known.join(", ")));
        match config.cloud.origin {
            Origin::Environment(variable) => failure.hint(format!("it is set by {variable}")),
            _ => failure.hint(format!("it is `cloud` in {}", config.file.display())),
        }
    })
}
