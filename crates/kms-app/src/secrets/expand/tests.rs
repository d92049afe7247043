use proptest::prelude::*;

use super::*;

fn place(environment: &str, path: &str) -> Source {
    Source {
        project: "shop".into(),
        environment: environment.into(),
        path: SecretPath::parse(path).unwrap(),
    }
}

fn here() -> Source {
    place("dev", "/")
}

fn readable(value: &str) -> Target {
    Target::Readable(value.into())
}

fn loaded(values: &[(&str, &str)]) -> Loaded {
    let folder = values.iter().map(|(key, value)| ((*key).to_owned(), readable(value))).collect();
    Loaded::from([(here(), folder)])
}

fn expansion(value: &str, key: &str, loaded: &Loaded) -> Expansion {
    expand(&value.into(), &here(), key, loaded, &mut Allowance::default())
}

fn text_of(expansion: Expansion) -> String {
    match expansion {
        Expansion::Done(text) => text.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn done(value: &str, values: &[(&str, &str)]) -> String {
    text_of(expansion(value, "SELF", &loaded(values)))
}

#[test]
fn references_lead_on() {
    assert_eq!(done("${A}!", &[("A", "<${B}>"), ("B", "b")]), "<b>!");
    assert_eq!(done("${A}${A}", &[("A", "")]), "");
}

#[test]
fn a_reference_without_a_target_stays() {
    assert_eq!(done("x ${NONE} y", &[]), "x ${NONE} y");
}

#[test]
fn a_circle_is_cut() {
    assert_eq!(done("${A}", &[("A", "a${B}"), ("B", "b${A}")]), "ab${A}");
    assert_eq!(done("me ${SELF}", &[("SELF", "me ${SELF}")]), "me ${SELF}");
    // The way back is cut only where it leads back.
    assert_eq!(done("${A} ${B}", &[("A", "${B}"), ("B", "${A}")]), "${A} ${B}");
}

#[test]
fn ten_references_deep_and_no_deeper() {
    let values: Vec<(String, String)> = (1..=12).map(|n| (format!("V{n}"), format!("{n}.${{V{}}}", n + 1))).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(done("${V1}", &values), "1.2.3.4.5.6.7.8.9.10.${V11}");
}

#[test]
fn composed_references_work() {
    assert_eq!(done("${K${N}}", &[("N", "1"), ("K1", "value")]), "value");
    assert_eq!(done("${A${B${C}}}", &[("C", "3"), ("B3", "2"), ("A2", "one")]), "one");
    assert_eq!(done("${K${N}}", &[("N", "1")]), "${K1}");
}

#[test]
fn what_another_place_left_open_is_not_looked_up_here() {
    let prod = place("prod", "/");
    let mut values = loaded(&[("SAME", "from dev"), ("N", "SAME")]);
    values.insert(prod, BTreeMap::from([("A".to_owned(), readable("<${SAME}>"))]));
    assert_eq!(text_of(expansion("${prod.A}", "SELF", &values)), "<${SAME}>");
    assert_eq!(
        text_of(expansion("${prod.A} ${SAME} ${${N}}", "SELF", &values)),
        "<${SAME}> from dev from dev"
    );
}

#[test]
fn references_count_from_where_they_stand() {
    let there = place("prod", "/llm");
    let mut values = loaded(&[("K", "here"), ("L", "${prod.llm.A}")]);
    values.insert(
        there,
        BTreeMap::from([("A".to_owned(), readable("${K}${dev.K}")), ("K".to_owned(), readable("there,"))]),
    );
    assert_eq!(text_of(expansion("${L}", "SELF", &values)), "there,here");
}

#[test]
fn values_of_rotations_are_literal() {
    let mut values = loaded(&[("A", "a")]);
    values
        .get_mut(&here())
        .unwrap()
        .insert("R".into(), Target::Literal("key-${A}".into()));
    assert_eq!(text_of(expansion("${R} ${A}", "SELF", &values)), "key-${A} a");
}

#[test]
fn what_may_not_be_read_is_named() {
    let mut values = loaded(&[("A", "${P}")]);
    values.get_mut(&here()).unwrap().insert("P".into(), Target::Forbidden);
    assert_eq!(
        expansion("${A}", "SELF", &values),
        Expansion::Forbidden(BTreeSet::from(["${P}".to_owned()]))
    );
}

#[test]
fn a_folder_that_is_not_loaded_is_asked_for() {
    assert_eq!(
        expansion("${prod.llm.K}${qa.L}", "SELF", &loaded(&[])),
        Expansion::Needs(BTreeSet::from([place("prod", "/llm"), place("qa", "/")]))
    );
}

#[test]
fn values_that_multiply_each_other_end() {
    for unit in ["x".repeat(1000), String::new()] {
        let mut values: Vec<(String, String)> = vec![("V0".to_owned(), unit)];
        for level in 1..10 {
            values.push((format!("V{level}"), format!("${{V{}}}", level - 1).repeat(10)));
        }
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(expansion("${V9}", "SELF", &loaded(&values)), Expansion::TooMuch);
    }
}

/// A value of the model: text and references, which are indexes of (environment, key), or of nothing.
type Model = Vec<Vec<Vec<Word>>>;

#[derive(Debug, Clone)]
enum Word {
    Text(String),
    Same { key: usize },
    Other { environment: usize, key: usize },
}

const KEYS: usize = 4;
const ENVIRONMENTS: usize = 2;

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        "[a-z ]{0,3}".prop_map(Word::Text),
        // One more than there are: a reference without a target.
        (0..=KEYS).prop_map(|key| Word::Same { key }),
        (0..=ENVIRONMENTS, 0..=KEYS).prop_map(|(environment, key)| Word::Other { environment, key }),
    ]
}

fn written(word: &Word) -> String {
    match word {
        Word::Text(text) => text.clone(),
        Word::Same { key } => format!("${{K{key}}}"),
        Word::Other { environment, key } => format!("${{e{environment}.K{key}}}"),
    }
}

/// The definition, without the machinery: replace each reference by the evaluated value it leads to.
fn evaluated(model: &Model, trail: &mut Vec<(usize, usize)>) -> String {
    let (environment, key) = *trail.last().unwrap();
    let mut text = String::new();
    for word in &model[environment][key] {
        let target = match word {
            Word::Text(_) => None,
            Word::Same { key } => Some((environment, *key)),
            Word::Other { environment, key } => Some((*environment, *key)),
        };
        match target {
            Some(target) if target.0 < ENVIRONMENTS && target.1 < KEYS && trail.len() <= DEPTH_LIMIT && !trail.contains(&target) => {
                trail.push(target);
                text.push_str(&evaluated(model, trail));
                trail.pop();
            }
            _ => text.push_str(&written(word)),
        }
    }
    text
}

proptest! {
    #[test]
    fn agrees_with_the_plain_definition(
        model in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(word(), 0..3), KEYS), ENVIRONMENTS),
    ) {
        let source = |environment: usize| Source { project: "shop".into(), environment: format!("e{environment}"), path: SecretPath::root() };
        let mut values = Loaded::new();
        for (environment, keys) in model.iter().enumerate() {
            let folder = keys.iter().enumerate().map(|(key, words)| {
                (format!("K{key}"), readable(&words.iter().map(written).collect::<String>()))
            });
            values.insert(source(environment), folder.collect());
        }
        values.insert(source(ENVIRONMENTS), BTreeMap::new());
        for (environment, keys) in model.iter().enumerate() {
            for (key, words) in keys.iter().enumerate() {
                let value: String = words.iter().map(written).collect();
                let outcome = expand(&value.into(), &source(environment), &format!("K{key}"), &values, &mut Allowance::default());
                let expected = evaluated(&model, &mut vec![(environment, key)]);
                prop_assert_eq!(outcome, Expansion::Done(expected.into()));
            }
        }
    }

    #[test]
    fn no_value_panics(value in "[${}.@A-Ca-cüé \\-]{0,60}") {
        let _ = expansion(&value, "SELF", &loaded(&[("A", "${B"), ("B", "${A}${C}é"), ("C", "}c{$")]));
    }
}
