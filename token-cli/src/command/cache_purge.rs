//! `cache purge`

use serde_json::json;

use crate::app::App;
use crate::args::Listing;
use crate::output::{self, Shape};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Listing) -> Result<(), Failure> {
    let (mut expired, mut damaged) = (0, 0);
    if let Some(broker) = app.broker()? {
        let purged = app.run(broker, async {
            let purged = broker.purge().await.map_err(|error| app.failure(error, None))?;
            // What could not be read has been set aside by now.
            app.backend()?.delete_damaged().await?;
            Ok::<_, Failure>(purged)
        })??;
        (expired, damaged) = (purged.expired, purged.damaged);
    }
    let text = format!("Removed {expired} expired and {damaged} damaged entries.\n");
    output::print(&typed.output, json!({ "expired": expired, "damaged": damaged }), Shape::Text(&text))
}
