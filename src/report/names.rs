//! Lists of names, written short: `n1…n6`, `a, b and 4 more`.

/// How many pieces a short list has before the rest becomes a number.
const PIECES: usize = 3;

/// All names; those that count up are written as `first…last`.
pub(super) fn compressed(names: &[&str]) -> String {
    pieces(names).iter().map(|piece| written(piece)).collect::<Vec<_>>().join(", ")
}

/// The same, but where that has more than three pieces only two of them: `a, b and 4 more`.
pub(super) fn shortened(names: &[&str]) -> String {
    let pieces = pieces(names);
    if pieces.len() <= PIECES {
        return compressed(names);
    }
    let (shown, rest) = pieces.split_at(PIECES - 1);
    let shown: Vec<String> = shown.iter().map(|piece| written(piece)).collect();
    let rest: usize = rest.iter().map(|piece| piece.len()).sum();
    format!("{} and {rest} more", shown.join(", "))
}

/// One run of names that count up, or one name.
fn written(piece: &[&str]) -> String {
    match piece {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, second] => format!("{first}, {second}"),
        [first, .., last] => format!("{first}…{last}"),
    }
}

/// The list, cut where it stops counting up in one and the same place.
fn pieces<'n, 'a>(names: &'n [&'a str]) -> Vec<&'n [&'a str]> {
    let (mut pieces, mut start, mut place) = (Vec::new(), 0, None);
    for index in 1..names.len() {
        let next = counted_place(names[index - 1], names[index]);
        if next.is_none() || (place.is_some() && place != next) {
            pieces.push(&names[start..index]);
            (start, place) = (index, None);
        } else {
            place = next;
        }
    }
    if start < names.len() {
        pieces.push(&names[start..]);
    }
    pieces
}

/// Which of the numbers in a name grows by one from the first name to the second, where nothing else differs.
fn counted_place(first: &str, second: &str) -> Option<usize> {
    let (first, second) = (fields(first), fields(second));
    if first.len() != second.len() {
        return None;
    }
    let mut differing = (0..first.len()).filter(|index| first[*index] != second[*index]);
    let (place, None) = (differing.next()?, differing.next()) else { return None };
    let (number, width) = (first[place].parse::<u64>().ok()?, first[place].len());
    (format!("{:0width$}", number.checked_add(1)?) == second[place]).then_some(place)
}

/// Runs of digits, and what is between them.
fn fields(name: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = name;
    while let Some(digit) = rest.chars().next().map(|c| c.is_ascii_digit()) {
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        fields.push(field);
        rest = after;
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_count_up_are_a_range() {
        assert_eq!(compressed(&["n1", "n2", "n3", "n4", "n5", "n6"]), "n1…n6");
        assert_eq!(compressed(&["n1", "n2", "n3", "n5"]), "n1…n3, n5");
        assert_eq!(compressed(&["n8", "n9", "n10", "n11"]), "n8…n11");
        assert_eq!(compressed(&["web08", "web09", "web10"]), "web08…web10");
        assert_eq!(
            compressed(&["127.0.1.1-6379", "127.0.1.2-6379", "127.0.1.3-6379"]),
            "127.0.1.1-6379…127.0.1.3-6379"
        );
    }

    #[test]
    fn two_names_are_written_out() {
        assert_eq!(compressed(&["n1", "n2"]), "n1, n2");
        assert_eq!(compressed(&["n1"]), "n1");
        assert_eq!(compressed(&[]), "");
    }

    #[test]
    fn names_that_do_not_count_up_are_counted() {
        assert_eq!(shortened(&["a", "b", "c", "d", "e", "f"]), "a, b and 4 more");
        assert_eq!(shortened(&["a", "b", "c"]), "a, b, c");
        assert_eq!(shortened(&["n1", "n2", "n3", "x", "n7", "n8", "n9", "y"]), "n1…n3, x and 4 more");
    }

    #[test]
    fn counting_down_in_leaps_or_in_two_places_is_no_range() {
        assert_eq!(compressed(&["n3", "n2", "n1"]), "n3, n2, n1");
        assert_eq!(compressed(&["n1", "n3", "n5"]), "n1, n3, n5");
        assert_eq!(compressed(&["a1-1", "a1-2", "a2-2", "a2-3"]), "a1-1, a1-2, a2-2, a2-3");
        assert_eq!(compressed(&["n09", "n010", "n11"]), "n09, n010, n11");
    }

    #[test]
    fn huge_numbers_are_names_like_others() {
        let long = "9".repeat(40);
        assert_eq!(
            compressed(&[&long, "n18446744073709551615", "n0"]),
            format!("{long}, n18446744073709551615, n0")
        );
    }

    /// Writes a range out again.
    fn expanded(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        for piece in text.split(", ").filter(|piece| !piece.is_empty()) {
            let Some((first, last)) = piece.split_once('…') else {
                names.push(piece.to_owned());
                continue;
            };
            let (from, to) = (fields(first), fields(last));
            let place = (0..from.len()).find(|index| from[*index] != to[*index]).unwrap();
            let (low, high): (u64, u64) = (from[place].parse().unwrap(), to[place].parse().unwrap());
            let width = from[place].len();
            for number in low..=high {
                let mut parts: Vec<String> = from.iter().map(|part| (*part).to_owned()).collect();
                parts[place] = format!("{number:0width$}");
                names.push(parts.concat());
            }
        }
        names
    }

    proptest! {
        #[test]
        fn no_name_is_lost_or_made_up(names in prop::collection::vec("[a-c]{0,1}[0-9]{1,2}(-[0-9])?", 0..12)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(expanded(&compressed(&names)), names);
        }

        #[test]
        fn a_short_list_is_short_and_counts_all(names in prop::collection::vec("[a-c][0-9]", 0..40)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let text = shortened(&names);
            let (shown, more) = text.rsplit_once(" and ").unwrap_or((&text, "0 more"));
            let more: usize = more.strip_suffix(" more").unwrap().parse().unwrap();
            prop_assert_eq!(expanded(shown).len() + more, names.len());
            prop_assert!(pieces(&names).len() <= 3 || shown.matches(", ").count() <= 3);
        }
    }
}
