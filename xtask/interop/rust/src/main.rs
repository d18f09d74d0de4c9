//! Prints an access token as `AzureCliCredential` of `azure_identity` gets it: `SCOPE TENANT SUBSCRIPTION`.

use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let scope = words.next().expect("a scope");
    let mut option = || words.next().filter(|word| word != "-");
    let options = AzureCliCredentialOptions { tenant_id: option(), subscription: option(), executor: None };
    let credential = AzureCliCredential::new(Some(options)).expect("options that are valid");
    match credential.get_token(&[&scope], None).await {
        Ok(token) => {
            let (secret, end) = (token.token.secret(), token.expires_on.unix_timestamp());
            println!("{{\"token\": \"{secret}\", \"expires_on\": {end}}}");
        }
        // In Rust's quotes, which are JSON's for what is said here.
        Err(error) => println!("{{\"error\": {:?}}}", error.to_string()),
    }
}
