//! Files to a set.

use super::*;
use crate::treatment::code::Key;
use crate::trigger::policy::Sending;

fn basis() -> Basis {
    Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Policy::default(),
        mappings: Arc::default(),
    }
}

fn text(name: &str) -> String {
    format!(
        "trigger: {name}\nmoment: {{ event: Signed Up }}\ntreatments:\n  - {{ channel: email, template: hello }}\n"
    )
}

#[test]
fn a_directory_is_read_without_tests_and_hidden_files() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("onboarding");
    fs::create_dir_all(directory.path().join("..data")).unwrap();
    fs::create_dir(&below).unwrap();
    for (file, content) in [
        ("b.yaml", text("second")),
        ("onboarding/a.yml", text("first")),
        ("onboarding/a.test.yaml", "- test: none".to_owned()),
        ("..data/b.yaml", text("hidden")),
        ("README.md", "nothing".to_owned()),
    ] {
        fs::write(directory.path().join(file), content).unwrap();
    }
    let plan = load(directory.path(), &basis()).unwrap();
    let names: Vec<_> = plan
        .triggers
        .iter()
        .map(|trigger| trigger.name.as_str())
        .collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(
        load(&below.join("a.yml"), &basis()).unwrap().triggers.len(),
        1
    );
    let nothing = load(&directory.path().join("none"), &basis()).unwrap_err();
    assert!(
        nothing[0].to_string().contains("cannot read"),
        "{nothing:?}"
    );
}

#[test]
fn a_set_has_one_policy() {
    let source = |name: &str, text: &str| Source::new(name, text.to_owned());
    let trigger = source("a.yaml", &text("one"));
    let policy = source("policy.yaml", "policy: { draw: spring }");
    let plan = compile(&[trigger.clone(), policy.clone()], &basis()).unwrap();
    assert_eq!(
        (plan.policy.draw.as_str(), plan.triggers.len()),
        ("spring", 1)
    );
    let plain = compile(std::slice::from_ref(&trigger), &basis()).unwrap();
    assert_ne!(plan.revision, plain.revision);
    let two = [trigger, policy, source("b.yaml", "policy: {}")];
    let wrong = compile(&two, &basis()).unwrap_err();
    assert!(
        wrong[0]
            .to_string()
            .contains("the policy is in policy.yaml already"),
        "{wrong:?}"
    );
}

#[test]
fn the_revision_is_of_what_is_said_not_of_where() {
    let revised = |sources: &[(&str, String)], basis: &Basis| {
        let sources: Vec<_> = sources
            .iter()
            .map(|(name, text)| Source::new(name, text.clone()))
            .collect();
        compile(&sources, basis).unwrap().revision.clone()
    };
    let first = revised(&[("a", text("one")), ("b", text("two"))], &basis());
    assert_eq!(first.len(), 16);
    assert_eq!(
        first,
        revised(
            &[("y", text("two")), ("x", text("one").replace('\n', "\r\n"))],
            &basis()
        )
    );
    assert_ne!(first, revised(&[("a", text("one"))], &basis()));
    let mut stopped = basis();
    stopped.policy.sending = Sending::Stopped;
    assert_ne!(
        first,
        revised(&[("a", text("one")), ("b", text("two"))], &stopped)
    );
}

#[test]
fn what_is_measured_may_be_asked_for() {
    let fact = |name: &str, more: &str| {
        let text = format!("fact: {name}\nof: Product Viewed\nmeasure: count\n{more}");
        Source::new(&format!("{name}{more}.yaml"), text)
    };
    let trigger = |audience: &str| {
        let text = format!("{}audience: {audience}\n", text("one"));
        Source::new("one.yaml", text)
    };
    let compiled = |sources: &[Source]| compile(sources, &basis());
    let views = fact("views", "");
    let plan = compiled(&[trigger("facts.views >= 3"), views.clone()]).unwrap();
    assert_eq!((plan.triggers.len(), plan.facts.len()), (1, 1));
    let lately = compiled(&[trigger("facts.views >= 3"), fact("views", "over: 7d")]).unwrap();
    assert_ne!(plan.revision, lately.revision);
    let each = fact("each", "per: event.category");
    for (sources, expected, help) in [
        (
            vec![trigger("facts.viws >= 3"), views.clone()],
            "no fact is called `viws`",
            "did you mean `views`?",
        ),
        (
            vec![trigger("facts.views >= 3")],
            "no fact is called `views`",
            "beside the triggers",
        ),
        (
            vec![trigger("facts.views == \"a\""), views.clone()],
            "stands between a number and a text",
            "",
        ),
        (
            vec![trigger("facts.views.a >= 3"), views.clone()],
            "`facts.views` has no fields",
            "",
        ),
        (
            vec![trigger("facts.each >= 3"), each.clone()],
            "has a value for each of its keys",
            "facts.each[\"...\"]",
        ),
        (
            vec![trigger("facts.each.a.b >= 3"), each.clone()],
            "`facts.each.a` has no fields",
            "",
        ),
        (
            vec![trigger("facts >= 3"), each.clone()],
            "`facts` alone is no value",
            "",
        ),
        (
            vec![trigger("true"), views.clone(), fact("views", "over: 7d")],
            "`views` is the name of two facts",
            "each name once",
        ),
    ] {
        let reports = compiled(&sources).expect_err(expected);
        let said = crate::document::report::rendered(&reports);
        assert!(said.contains(expected) && said.contains(help), "{said}");
    }
    let asked = "facts.each.shoes + facts.each[\"hats\"] > 1 && previous.known";
    let audience = compiled(&[trigger(asked), each]).expect("it has keys");
    assert_eq!(audience.facts.len(), 1);
}

#[test]
fn segments_may_be_asked_for() {
    let segment = |name: &str, when: &str| {
        let text = format!("segment: {name}\nwhen: {when}\n");
        Source::new(&format!("{name} {when}.yaml"), text)
    };
    let trigger = |more: &str| Source::new("t.yaml", format!("{}{more}\n", text("one")));
    let moved = |change: &str| {
        let text = text("one").replace("event: Signed Up", &format!("transition: {{ {change} }}"));
        Source::new("t.yaml", text)
    };
    let gold = segment("gold", "profile.orders.count > 5");
    for (source, expected) in [
        (trigger("audience: '\"gold\" in profile.segments'"), ""),
        (
            trigger("audience: '!(\"gold\" in previous.segments) && size(profile.segments) > 1'"),
            "",
        ),
        (
            trigger("audience: '\"gild\" in profile.segments'"),
            "did you mean `\"gold\"`?",
        ),
        (trigger("audience: profile.segments.gold"), "has no field"),
        (moved("enters: gold"), ""),
        (moved("leaves: gold"), ""),
        (moved("outstays: { segment: gold, for: 90d }"), ""),
        (moved("enters: gild"), "did you mean `gold`?"),
        (moved("outstays: { segment: gold }"), "`for` is missing"),
        (
            moved("enters: gold, leaves: gold"),
            "a transition is one thing; here are 2",
        ),
        (moved("entres: gold"), "did you mean `enters`?"),
        (moved("stage: loyal"), "`transition` has no `stage`"),
        (
            segment("gold", "profile.known"),
            "`gold` is the name of two segments",
        ),
    ] {
        let read = compile(&[source, gold.clone()], &basis());
        let said = read
            .err()
            .map(|reports| crate::document::report::rendered(&reports));
        let said = said.unwrap_or_default();
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{said}"
        );
    }
    let none = compile(&[moved("enters: gold")], &basis()).unwrap_err();
    assert!(crate::document::report::rendered(&none).contains("beside the triggers"));
}

#[test]
fn what_nobody_declares_is_said() {
    let trigger = |more: &str| Source::new("t.yaml", format!("{}{more}\n", text("one")));
    let moved = |change: &str| {
        let text = text("one").replace("event: Signed Up", &format!("transition: {{ {change} }}"));
        Source::new("t.yaml", text)
    };
    for (source, expected) in [
        (
            moved("outstays: { is: gold, for: 1d }"),
            "`segment` is missing",
        ),
        (
            moved("label: stage, enters: gold"),
            "no label is called `stage`",
        ),
        (
            moved("label: stage, reached: gold"),
            "says itself of what it is",
        ),
        (
            moved("changes: [stage]"),
            "beside the triggers; none is here",
        ),
        (
            moved("reached: first_order"),
            "no milestone is called `first_order`",
        ),
        (
            trigger("audience: profile.stage == \"a\""),
            "`profile.stage` is not declared",
        ),
        (
            trigger("audience: has(profile.milestones.a)"),
            "`profile.milestones.a` is not declared",
        ),
    ] {
        let reports = compile(&[source], &basis()).expect_err(expected);
        let said = crate::document::report::rendered(&reports);
        assert!(said.contains(expected), "{said}");
    }
}

/// Another file beside labels, personas and a path, and what is said of it.
#[rustfmt::skip]
const BESIDE: &[(&str, &str)] = &[
    ("segment: old\nwhen: profile.rfm.recency == \"long\"", ""),
    ("segment: old\nwhen: profile.rfm.recency in [\"long\", \"medum\"]", "did you mean `\"medium\"`?"),
    ("segment: old\nwhen: profile.rfm.frequency == \"often\"", "`profile.rfm.frequency` is not declared"),
    ("segment: old\nwhen: profile.stage == \"lead\"", "`profile.stage` is not declared"),
    ("labels: rfm\nrecency: { recent: 1d, medium: 2d }", "a set has one of these files"),
    ("path: other\nstages: [{ stage: x, reached: profile.known }]", "a set has one of these files"),
    ("personas: style\nof: [{ persona: a, when: profile.known }]", "`personas.style.a` is the name of two segments"),
    ("personas: other\nof: [{ persona: a, when: profile.known }, { persona: a, when: profile.known }]", "`personas.other.a` is the name of two segments"),
    ("personas: other\nof: [{ persona: a, when: profile.personas.style == \"a\" }]", "`profile.personas.style` is not declared"),
    ("personas: other\nof: []", "a list of 1 to 16"),
    ("personas: Other\nof: [{ persona: a, when: profile.known }]", "is not a group's name"),
    ("TRIGGER\naudience: profile.stage == \"lead\" && \"member\" == previous.stage", ""),
    ("TRIGGER\naudience: profile.stage == \"leed\"", "did you mean `\"lead\"`?"),
    ("TRIGGER\naudience: profile.personas.stile == \"a\"", "did you mean `style`?"),
    ("TRIGGER\naudience: now - profile.milestones.first > duration('1d')", ""),
    ("TRIGGER\naudience: has(profile.milestones.furst)", "did you mean `first`?"),
    ("MOVED label: rfm.recency, enters: long", ""),
    ("MOVED label: rfm.recency, enters: lng", "did you mean `long`?"),
    ("MOVED label: rfm.recensy, enters: long", "did you mean `rfm.recency`?"),
    ("MOVED label: stage, outstays: { is: lead, for: 3d }", ""),
    ("MOVED label: stage, outstays: { segment: lead, for: 3d }", "`is` is missing"),
    ("MOVED changes: [stage, personas.style]", ""),
    ("MOVED changes: [stages]", "did you mean `stage`?"),
    ("MOVED reached: second", ""),
    ("MOVED overdue: second", ""),
    ("MOVED overdue: first", "no milestone that is expected in a time"),
    ("MOVED overdue: third", "no milestone that is expected in a time"),
];

#[test]
fn where_she_stands_may_be_asked_for() {
    let file = |text: &str| {
        let moved = text.strip_prefix("MOVED ").map(|change| {
            let to = format!("transition: {{ {change} }}");
            self::text("one").replace("event: Signed Up", &to)
        });
        let text = moved.unwrap_or_else(|| text.replace("TRIGGER\n", &self::text("one")));
        Source::new(&text, text.clone())
    };
    let known = [
        "labels: rfm\nrecency: { recent: 30d, medium: 90d }",
        "personas: style\nof: [{ persona: a, when: profile.rfm.recency == \"long\" }]",
        "path: brand\nmilestones: [{ milestone: first, reached: profile.known, next: 3d }, { milestone: second, reached: [profile.known, has(profile.milestones.first)] }, { milestone: third, reached: profile.known }]\nstages: [{ stage: lead, reached: profile.known }, { stage: member, reached: has(profile.milestones.third) }]",
        "trigger: two\nmoment: { event: Signed Up }\ntreatments: none",
    ];
    for (beside, expected) in BESIDE {
        let mut sources: Vec<_> = known.iter().map(|text| file(text)).collect();
        sources.push(file(&format!("{beside}\n")));
        let read = compile(&sources, &basis());
        let said = read
            .err()
            .map(|reports| crate::document::report::rendered(&reports));
        let said = said.unwrap_or_default();
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{beside}: {said}"
        );
    }
}

fn model(of: &str) -> Source {
    let text = format!(
        "model: likely\nlogistic: {{ inputs: {{ views: {{ of: {of}, weight: 0.5 }} }} }}\n"
    );
    Source::new("likely.yaml", text)
}

fn views() -> Source {
    let text = "{ fact: views, of: Product Viewed, measure: count }";
    Source::new("views.yaml", text.to_owned())
}

fn asking(audience: &str) -> Source {
    Source::new("t.yaml", format!("{}audience: {audience}\n", text("one")))
}

#[test]
fn models_may_be_asked_for() {
    let segment = |when: &str| {
        let text = format!("segment: likely\nwhen: {when}\n");
        Source::new("s.yaml", text)
    };
    #[rustfmt::skip]
    let rows = [
        (asking("models.likely > 0.7"), "facts.views", ""),
        (segment("models.likely > 0.7"), "facts.views", ""),
        (asking("models.likly > 0.7"), "facts.views", "did you mean `likely`?"),
        (asking("profile.likely > 0.7"), "facts.views", "did you mean `models.likely`?"),
        (asking("models.likely.now > 0.7"), "facts.views", "is a number and has no fields"),
        (asking("models > 0.7"), "facts.views", "`models` alone is no value"),
        (asking("models.likely == \"x\""), "facts.views", "stands between a number and a text"),
        (asking("true"), "facts.veiws", "did you mean `views`?"),
        // What fades and what grows may cross a bound any number of times.
        (segment("models.likely > 0.7"), "(now - profile.last_order) / duration('1d')", "when this changes cannot be foreseen"),
        (model("facts.views"), "facts.views", "`likely` is the name of two models"),
    ];
    for (source, of, expected) in rows {
        let read = compile(&[source, model(of), views()], &basis());
        let said = read.err().map(|it| crate::document::report::rendered(&it));
        let said = said.unwrap_or_default();
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{said}"
        );
    }
}

#[test]
fn another_model_is_another_revision() {
    let revision = |of| {
        let plan = compile(&[asking("true"), views(), model(of)], &basis());
        plan.expect("a set").revision.clone()
    };
    assert_ne!(revision("facts.views"), revision("facts.views + 1"));
}

#[test]
fn two_triggers_of_one_name_are_told_with_both_files() {
    let sources = [
        Source::new("a.yaml", text("one")),
        Source::new("b.yaml", text("one")),
    ];
    let reports = compile(&sources, &basis()).unwrap_err();
    let expected = "`one` is the name of two triggers: in a.yaml and in b.yaml";
    assert_eq!(
        reports.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [expected]
    );
    assert_eq!(reports[0].position(), Some(("b.yaml", 1, 10)));
    assert!(
        compile(&[], &basis()).unwrap_err()[0]
            .to_string()
            .contains("there are 0 trigger files")
    );
}

#[test]
fn what_stands_in_a_table_is_looked_up() {
    let table = Source::new(
        "companions.yaml",
        "table: companions\nkey: product_id\ncolumns: { companion: text, margin: number }\nrows: { p1: { companion: p9, margin: 3 } }\n".to_owned(),
    );
    let trigger = |audience: &str| {
        let text = format!(
            "trigger: one\nmoment: {{ event: Product Viewed }}\ntreatments:\n  - {{ channel: email, template: hello }}\naudience: {audience}\n"
        );
        Source::new("one.yaml", text)
    };
    let compiled = |audience: &str| compile(&[trigger(audience), table.clone()], &basis());
    let found = compiled("'tables.companions[event.product_id].companion == \"p9\"'").unwrap();
    let own = table.text().replace("margin: 3", "margin: 4");
    let other = Source::new("companions.yaml", own);
    let again = compile(&[trigger("true"), other], &basis()).unwrap();
    let before = compiled("true").unwrap();
    let defined = |plan: &Plan| plan.defined(&plan.triggers[0]);
    assert_ne!(defined(&before), defined(&again));
    assert_ne!(before.revision, again.revision);
    assert_eq!(found.triggers.len(), 1);
    let cases = [
        (
            "tables.companion[event.product_id].margin > 1",
            "did you mean `companions`?",
        ),
        (
            "tables.companions[event.product_id].margn > 1",
            "did you mean `margin`?",
        ),
        (
            "tables.companions[event.product_id].margin == \"x\"",
            "stands between a number and a text",
        ),
        (
            "tables.companions[event.time].margin > 1",
            "a row is found by a text or a number",
        ),
        (
            "tables.companions.p1.margin > 1",
            "a column of a row, such as",
        ),
        ("tables > 1", "`tables` alone is no value"),
    ];
    for (audience, expected) in cases {
        let reports = compiled(&format!("'{audience}'")).unwrap_err();
        let said = crate::document::report::rendered(&reports);
        assert!(said.contains(expected), "{audience}\n{said}");
    }
}

#[test]
fn points_follow_from_conditions() {
    let fact = |points: &str| {
        let text = format!("fact: lead\nmeasure:\n  points: {points}\n");
        Source::new("lead.yaml", text)
    };
    let trigger =
        |audience: &str| Source::new("one.yaml", format!("{}audience: {audience}\n", text("one")));
    let views = Source::new(
        "views.yaml",
        "fact: views\nof: Product Viewed\nmeasure: count\n".to_owned(),
    );
    let good =
        fact("[{ while: facts.views > 2, points: 20 }, { while: profile.known, points: -5 }]");
    let compiled = |sources: &[Source]| compile(sources, &basis());
    let plan = compiled(&[trigger("facts.lead >= 15"), good.clone(), views.clone()]).unwrap();
    let audience = plan.triggers[0].audience.as_ref().unwrap();
    assert_eq!(
        audience.asks(),
        ["facts.views", "profile.known", "facts.lead"]
    );
    let cases = [
        (
            vec![trigger("facts.laed > 1"), good.clone(), views.clone()],
            "did you mean `lead`?",
        ),
        (
            vec![trigger("facts.lead.a > 1"), good.clone(), views],
            "is a number and has no fields",
        ),
        (vec![trigger("true"), good], "no fact is called `views`"),
        (vec![trigger("true"), fact("[]")], "there are 0 conditions"),
        (
            vec![
                trigger("true"),
                fact("[{ while: facts.lead > 1, points: 1 }]"),
            ],
            "no fact is called `lead`",
        ),
        (
            vec![
                trigger("true"),
                fact("[{ while: event.price > 1, points: 1 }]"),
            ],
            "`event` is not there",
        ),
        (
            vec![
                trigger("true"),
                fact("[{ while: profile.known, points: 1e13 }]"),
            ],
            "at most 1000000000000",
        ),
        (
            vec![trigger("true"), fact("[{ while: profile.known }]")],
            "points",
        ),
    ];
    for (sources, expected) in cases {
        let reports = compiled(&sources).unwrap_err();
        let said = crate::document::report::rendered(&reports);
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn a_key_is_no_comment_and_no_end_of_another() {
    let text = "# code: none yet\npromo_code: x # code: y\noffer: { code: welcome }\n";
    assert_eq!(&text[key_in(text, "code:")..][..13], "code: welcome");
    assert_eq!(key_in("postcode: 1", "code:"), 0);
}

/// The files, and what is said of them.
#[test]
fn referrals_are_named_and_told_apart() {
    let referral = |name: &str, prefix: &str| {
        format!("referral: {name}\ncode: {{ prefix: {prefix} }}\nof: Order Completed\n")
    };
    let gives = |code: &str| {
        format!(
            "trigger: gives\nmoment: {{ event: Signed Up }}\ntreatments: [{{ channel: email, template: hello, code: {code} }}]\n"
        )
    };
    let friends = "{ referral: friends }";
    #[rustfmt::skip]
    let cases = [
        (vec![gives(friends), referral("friends", "F-")], ""),
        (vec![gives(friends), referral("friend", "F-")], "no referral is called `friends`"),
        (vec![gives(friends), referral("friend", "F-")], "did you mean `friend`"),
        (vec![gives("{ referral: friends, prefix: F- }"), referral("friends", "F-")], "`prefix` is said by the referral"),
        (vec![gives("{ referral: [friends] }"), referral("friends", "F-")], "a name such as"),
        (vec![text("a"), referral("friends", "F-"), referral("others", "FR-")], "codes of `others` and `friends` look alike"),
        (vec![text("a"), referral("friends", "F-"), referral("friends", "G-")], "the name of two referrals"),
        (vec![text("a"), referral("friends", "F-"), referral("others", "G-")], ""),
    ];
    for (files, expected) in cases {
        let numbered = files.iter().enumerate();
        let sources: Vec<_> = numbered
            .map(|(n, text)| Source::new(&format!("{n}.yaml"), text.clone()))
            .collect();
        let basis = Basis {
            policy: Policy {
                code_key: Key::of_scenarios(),
                ..Policy::default()
            },
            ..basis()
        };
        let wrong = compile(&sources, &basis).err().unwrap_or_default();
        let said = crate::document::report::rendered(&wrong);
        assert!(
            said.contains(expected) && wrong.is_empty() == expected.is_empty(),
            "{files:?}: {said}"
        );
    }
}
