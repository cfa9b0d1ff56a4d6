//! What a consumer's log says of partitions that stand still: the commands that repair them, word for word.

use std::collections::BTreeMap;

/// The operator's verbs, one after the other, that a halt names as its repair.
pub type Repair = Vec<Vec<String>>;

/// The repairs that a consumer's log names, by partition; the last word counts.
pub fn halts_in(log: &str) -> BTreeMap<i32, Repair> {
    let halt = |line: &str| {
        let (_, rest) = line.split_once("partition ")?;
        let (number, rest) = rest.split_once(" stands still: ")?;
        let commands = rest.split("cargo run -p consumer -- ").skip(1);
        Some((number.parse().ok()?, commands.map(verb).collect()))
    };
    log.lines().filter_map(halt).collect()
}

/// A command's words, without those of the sentence around it.
fn verb(text: &str) -> Vec<String> {
    let known = |word: &&str| {
        matches!(
            *word,
            "setup" | "offsets" | "reset" | "all" | "beginning" | "end"
        ) || word.starts_with("--")
            || word.parse::<i64>().is_ok()
    };
    let words = text.split_whitespace().take_while(known);
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_names_its_partition_and_its_repair() {
        let log = "12:00 INFO all is well\n\
            12:01 ERROR partition 4 stands still: records are gone. Repair: to go on without them: \
            cargo run -p consumer -- offsets reset --partition 4 --to 9 --yes\n";
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let reset = words("offsets reset --partition 4 --to 9 --yes");
        assert_eq!(halts_in(log), BTreeMap::from([(4, vec![reset])]));

        let two = "partition 1 stands still: no. Repair: mend it (cargo run -p consumer -- setup brings it), \
            then: cargo run -p consumer -- offsets reset --partition 1 --to beginning --recreated --yes";
        let reset = words("offsets reset --partition 1 --to beginning --recreated --yes");
        assert_eq!(halts_in(two)[&1], [words("setup"), reset]);
    }
}
