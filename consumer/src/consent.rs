//! Nothing is changed by a command before somebody saw what will happen and said yes.

use crate::verbs::Consent;
use anyhow::bail;
use std::io::{BufRead, IsTerminal, Write};

/// Whether to go on, after what will happen was shown. Without `--yes` or `--dry-run` it asks.
///
/// # Errors
/// There is nobody to ask.
pub fn given(consent: Consent) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    match decide(consent, stdin.is_terminal()) {
        Decision::Yes => Ok(true),
        Decision::No => {
            println!("Nothing was changed.");
            Ok(false)
        }
        Decision::Nobody => bail!(
            "nothing was changed: there is no terminal to ask on. Add --yes to do it, or --dry-run to only look"
        ),
        Decision::Ask => {
            print!("Do it? [y/N] ");
            std::io::stdout().flush()?;
            let mut answer = String::new();
            stdin.lock().read_line(&mut answer)?;
            let yes = is_yes(&answer);
            if !yes {
                println!("Nothing was changed.");
            }
            Ok(yes)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Yes,
    No,
    Ask,
    Nobody,
}

fn decide(consent: Consent, is_terminal: bool) -> Decision {
    match (consent.dry_run, consent.yes, is_terminal) {
        (true, _, _) => Decision::No,
        (false, true, _) => Decision::Yes,
        (false, false, true) => Decision::Ask,
        (false, false, false) => Decision::Nobody,
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        let consent = |dry_run, yes| Consent { dry_run, yes };
        assert_eq!(decide(consent(false, true), false), Decision::Yes);
        assert_eq!(decide(consent(true, false), true), Decision::No);
        assert_eq!(decide(consent(true, true), true), Decision::No);
        assert_eq!(decide(consent(false, false), true), Decision::Ask);
        assert_eq!(decide(consent(false, false), false), Decision::Nobody);
        for answer in ["", "\n", "n\n", "no", "ye", "yes please"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
        assert!(is_yes("y\n") && is_yes("yes\r\n"));
    }
}
