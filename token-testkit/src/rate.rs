//! How many a second, and how that compares.

use std::time::Instant;

/// Does something over and over, so many at once, as tasks of the runtime that this is awaited on, and says how often a
/// second.
///
/// # Panics
/// When one of them panics.
pub async fn rate<S, F>(times: usize, in_flight: usize, on: &S, work: fn(S) -> F) -> f64
where
    S: Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    let tasks = (0..in_flight).map(|_| {
        let on = on.clone();
        tokio::spawn(async move {
            for _ in 0..times / in_flight {
                work(on.clone()).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    times as f64 / start.elapsed().as_secs_f64()
}

/// The middle one.
///
/// # Panics
/// When there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The middle one of the ratios. Neighbours in time are compared, since the machine does other things, too.
///
/// # Panics
/// When there is none.
pub fn median_ratio(of: &[f64], to: &[f64]) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| of / to).collect())
}
