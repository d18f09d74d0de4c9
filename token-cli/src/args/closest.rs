//! What was probably meant by a word that nobody knows, by the measure of Python's difflib, which Azure CLI asks.

/// How much alike two words have to be, of 1.
const ALIKE: f64 = 0.7;

/// The word that is most like this one, if any is.
pub(super) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|known| (likeness(word, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.to_owned())
}

/// Twice the letters that stand in both in the same order, by the letters of both.
fn likeness(one: &str, other: &str) -> f64 {
    // Nobody means a word of ours by one as long as this, and the measure takes its time.
    if one.len() > 64 {
        return 0.0;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let letters = one.len() + other.len();
    if letters == 0 { 1.0 } else { 2.0 * shared(&one, &other) as f64 / letters as f64 }
}

/// The longest run of letters that is in both, and the same again before and behind it.
fn shared(one: &[char], other: &[char]) -> usize {
    let mut longest = (0, 0, 0);
    for at in 0..one.len() {
        for with in 0..other.len() {
            let run = one[at..].iter().zip(&other[with..]).take_while(|(a, b)| a == b).count();
            if run > longest.2 {
                longest = (at, with, run);
            }
        }
    }
    match longest {
        (_, _, 0) => 0,
        (at, with, run) => {
            run + shared(&one[..at], &other[..with]) + shared(&one[at + run..], &other[with + run..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_difflibs() {
        // SequenceMatcher(None, "get-acces-token", "get-access-token").ratio() and so on.
        assert!((likeness("get-acces-token", "get-access-token") - 0.967_741_9).abs() < 1e-6);
        assert!((likeness("lst", "list") - 0.857_142_9).abs() < 1e-6);
        assert!((likeness("yam", "yaml") - 0.857_142_9).abs() < 1e-6);
        assert!((likeness("bogus", "account") - 0.333_333_3).abs() < 1e-6);
    }

    #[test]
    fn only_what_is_alike_is_meant() {
        let known = ["json", "yaml", "yamlc"];
        assert_eq!(closest("yam", known.into_iter()).as_deref(), Some("yaml"));
        assert_eq!(closest("bogus", known.into_iter()), None);
    }
}
