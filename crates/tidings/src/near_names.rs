//! Names that somebody may have meant who wrote one that there is not.

/// How many names are told.
const NAMES_MAX: usize = 3;

/// Those of the names that hardly differ from `meant`, the nearest first. What stands before the last slash may be another:
/// it is left out, or mistaken, as a whole.
pub(crate) fn near_names(meant: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let word = last_word(meant);
    let near = names.into_iter().filter_map(|name| {
        let other = last_word(&name);
        let edits = edits(&word, &other);
        // One in three letters may be wrong.
        (edits * 3 <= word.len().max(other.len())).then_some((edits, name))
    });
    let mut near: Vec<_> = near.collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).take(NAMES_MAX).collect()
}

/// What is behind the last slash, in small letters.
fn last_word(name: &str) -> Vec<char> {
    let word = name.rsplit('/').next().unwrap_or(name);
    word.chars().flat_map(char::to_lowercase).collect()
}

/// How many letters have to be put in, left out or replaced to make one word of the other: Levenshtein's distance.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (place, same) in other.iter().map(|it| it == letter).enumerate() {
            let replaced = diagonal + usize::from(!same);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hardly_differ_are_near() {
        for (one, other) in
            [("jobs", "job"), ("jobs", "jops"), ("orders", "ordres"), ("JOBS", "jobs"), ("", "")]
        {
            assert_eq!(near_names(one, [format!("/queue/{other}")]).len(), 1, "{one} {other}");
        }
        for (one, other) in
            [("jobs", "mail"), ("orders", "jobs"), ("jobs", "DLQ.jobs"), ("a", "b"), ("a", "data")]
        {
            assert!(near_names(one, [format!("/queue/{other}")]).is_empty(), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_names_come_first_and_no_more_than_some() {
        let names = ["jobs3", "jobs1", "job", "jobs2", "jobs"].map(|name| format!("/queue/{name}"));
        let near = near_names("/dsub/me/jobs", names);
        assert_eq!(near, ["/queue/jobs", "/queue/job", "/queue/jobs1"]);
    }
}
