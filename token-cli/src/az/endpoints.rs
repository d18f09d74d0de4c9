//! Everything that Azure CLI knows of a cloud, as it prints it.

use serde_json::{Map, json};
use token_core::authority::Cloud;

use crate::report::Failure;
use crate::value::Value;

type Fields = Map<String, serde_json::Value>;

/// The clouds that are built in, as `az cloud list` prints them, but for which one is active.
const BUILT_IN: &str = include_str!("clouds.json");

/// Clouds as Azure CLI shows them, in the order in which they are given.
pub(crate) fn shown<'a>(
    clouds: impl IntoIterator<Item = &'a Cloud>,
    active: &str,
) -> Result<Vec<Value>, Failure> {
    let built_in: Vec<Fields> = serde_json::from_str(BUILT_IN)
        .map_err(|error| Failure::new("the table of clouds is damaged").caused_by(&error))?;
    let shown = clouds.into_iter().map(|cloud| {
        let known = built_in.iter().find(|known| known.get("name").is_some_and(|name| *name == cloud.name));
        let mut fields = match (known, built_in.first()) {
            (Some(known), _) => known.clone(),
            (None, Some(model)) => custom(cloud, model),
            (None, None) => Map::new(),
        };
        fields.insert("isActive".to_owned(), json!(cloud.name == active));
        // Azure CLI's order, which queries show.
        let ordered = ["name", "endpoints", "suffixes", "profile", "isActive"].map(|name| {
            let value = fields.remove(name).unwrap_or_default();
            (name, Value::from(value))
        });
        Value::object(ordered)
    });
    Ok(shown.collect())
}

/// A cloud that the config defines: it has the fields of the others, and most of them empty.
fn custom(cloud: &Cloud, model: &Fields) -> Fields {
    let empty = |fields: &str| -> Fields {
        let fields = model.get(fields).and_then(serde_json::Value::as_object);
        fields.into_iter().flatten().map(|(name, _)| (name.clone(), serde_json::Value::Null)).collect()
    };
    let mut endpoints = empty("endpoints");
    let known = [
        ("activeDirectory", Some(cloud.authority_host.as_str().trim_end_matches('/'))),
        ("activeDirectoryResourceId", Some(cloud.resource.as_str())),
        ("management", Some(cloud.resource.as_str())),
        ("resourceManager", Some(cloud.resource_manager.as_str())),
        ("microsoftGraphResourceId", cloud.graph.as_deref()),
        ("activeDirectoryGraphResourceId", cloud.aad_graph.as_deref()),
        ("activeDirectoryDataLakeResourceId", cloud.data_lake.as_deref()),
        ("ossrdbmsResourceId", cloud.oss_rdbms.as_deref()),
        ("batchResourceId", cloud.batch.as_deref()),
        ("mediaResourceId", cloud.media.as_deref()),
    ];
    for (name, value) in known {
        endpoints.insert(name.to_owned(), json!(value));
    }
    let mut fields = Map::new();
    fields.insert("endpoints".to_owned(), serde_json::Value::Object(endpoints));
    fields.insert("name".to_owned(), json!(cloud.name));
    fields.insert("profile".to_owned(), json!("latest"));
    fields.insert("suffixes".to_owned(), serde_json::Value::Object(empty("suffixes")));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    #[test]
    fn what_is_shown_is_what_tokens_are_asked_for() {
        let clouds = Cloud::built_in();
        let shown = shown(&clouds, "AzureChinaCloud").unwrap();
        for (cloud, shown) in clouds.iter().zip(&shown) {
            let shown: serde_json::Value = serde_json::from_str(&json::pretty(shown)).unwrap();
            let endpoint = |name: &str| shown["endpoints"][name].as_str().map(str::to_owned);
            assert_eq!(shown["name"], cloud.name);
            assert_eq!(shown["isActive"], cloud.name == "AzureChinaCloud");
            assert_eq!(endpoint("activeDirectoryResourceId").as_deref(), Some(cloud.resource.as_str()));
            assert_eq!(endpoint("microsoftGraphResourceId"), cloud.graph);
            assert_eq!(endpoint("activeDirectoryGraphResourceId"), cloud.aad_graph);
            assert_eq!(endpoint("activeDirectoryDataLakeResourceId"), cloud.data_lake);
            assert_eq!(endpoint("ossrdbmsResourceId"), cloud.oss_rdbms);
            assert_eq!(endpoint("batchResourceId"), cloud.batch);
            assert_eq!(endpoint("mediaResourceId"), cloud.media);
            let host = endpoint("activeDirectory").unwrap();
            assert_eq!(cloud.authority_host.as_str().trim_end_matches('/'), host);
        }
    }
}
