//! Multiplies `$or` out: a pattern becomes a list of rules, of which one has to match, each a list of fields that all have to.

use super::bits::Bits;
use super::error::PatternError;
use super::parse::{Faults, Field, Part};

/// How many fields all rules together may have.
const MAX_LEAVES: usize = <[u64; 4] as Bits>::CAPACITY;

/// The numbers of the fields that must match together.
pub(super) type Rule = Vec<usize>;

/// Makes the rules of a pattern.
pub(super) fn expand(parts: &[Part], fields: &[Field]) -> Result<Vec<Rule>, PatternError> {
    let mut expansion = Expansion {
        fields,
        faults: Faults::default(),
        clashes: Vec::new(),
    };
    let rules = expansion.all(parts, vec![Rule::new()]);
    expansion.faults.into_result(rules.unwrap_or_default())
}

struct Expansion<'a> {
    fields: &'a [Field],
    faults: Faults,
    /// The fields that were reported already.
    clashes: Vec<usize>,
}

impl Expansion<'_> {
    /// Adds all `parts` to each rule; none if that is too much.
    fn all(&mut self, parts: &[Part], mut rules: Vec<Rule>) -> Option<Vec<Rule>> {
        for part in parts {
            match part {
                Part::Field(field) => rules.iter_mut().for_each(|rule| self.add(*field, rule)),
                Part::Either(alternatives) => {
                    let mut either = Vec::new();
                    for alternative in alternatives {
                        either.extend(self.all(alternative, rules.clone())?);
                        self.check(&either)?;
                    }
                    rules = either;
                }
            }
            self.check(&rules)?;
        }
        Some(rules)
    }

    fn check(&mut self, rules: &[Rule]) -> Option<()> {
        let leaves: usize = rules.iter().map(Vec::len).sum();
        if leaves <= MAX_LEAVES {
            return Some(());
        }
        let cure = "say the same with fewer fields or fewer alternatives";
        self.faults.add(
            "",
            format!("comes to more than {MAX_LEAVES} fields once every `$or` is multiplied out: {cure}"),
        );
        None
    }

    /// Adds a field to a rule. Of two fields of one path in one object the last counts, as of two members of one name.
    fn add(&mut self, field: usize, rule: &mut Rule) {
        let ours = &self.fields[field];
        let is_same = |other: &usize| {
            let other = &self.fields[*other];
            other.image == ours.image && other.names == ours.names
        };
        let Some(at) = rule.iter().position(is_same) else {
            rule.push(field);
            return;
        };
        let theirs = &self.fields[rule[at]];
        if theirs.alternative != ours.alternative && !self.clashes.contains(&field) {
            self.clashes.push(field);
            let cure = "say in each alternative all that holds for this field in it";
            self.faults.add(
                &ours.place,
                format!("names the same field as {} beside `$or`: {cure}", theirs.place),
            );
        }
        rule[at] = field;
    }
}
