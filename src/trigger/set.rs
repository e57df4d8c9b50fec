//! A set of files, of triggers and of the facts that they ask for: a file, or a directory of them, to a [`Plan`].

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::definition::{self, Definition};
use super::plan::Plan;
use super::policy::{MARKETING, Policy, file as policy_file};
use super::table::{self, Named};
use crate::document::data;
use crate::document::reader::Declared;
use crate::document::report::{Report, Source, is_onnx};
use crate::document::suggest::closest;
use crate::document::yaml;
use crate::event::{Text, Type, Vocabulary};
use crate::fact::points::{Points, is_points};
use crate::fact::{self, Fact};
use crate::mapping::Mappings;
use crate::measure::Declarations;
use crate::model::{self, Declaration};
use crate::referral::{self, Referral};
use crate::segment::{self, Segment};
use crate::suppression::{self, Suppression};
use crate::treatment::code::Coded;

/// Bounds of a set.
pub mod limits {
    /// Files: an index into them has 16 bits, and nobody has an overview of more.
    pub const TRIGGERS: usize = 1000;
    /// Directories within directories: beyond this it is a link that leads in a circle.
    pub const DEPTH: usize = 16;
}

/// What triggers are read against, beside their files.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// Events and properties, the company's own included.
    pub vocabulary: Arc<Vocabulary>,
    /// The company's own attributes of customers.
    pub attributes: BTreeMap<String, Type>,
    /// What is common to all triggers.
    pub policy: Policy,
    /// How foreign records are read; a part of what decides.
    pub mappings: Arc<Mappings>,
}

/// The files of a kind below a path, sorted by path; the path itself where it is a file. Hidden
/// entries are passed over (a mounted ConfigMap keeps its old versions there).
///
/// # Errors
/// Where something cannot be read.
pub fn files(path: &Path, is_meant: fn(&Path) -> bool) -> Result<Vec<PathBuf>, Report> {
    let mut found = Vec::new();
    collect(path, is_meant, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(
    path: &Path,
    is_meant: fn(&Path) -> bool,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), Report> {
    let unreadable = |error: std::io::Error| {
        Report::nowhere(format!("cannot read `{}`: {error}", path.display()))
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        if depth == 0 || is_meant(path) {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    if depth > limits::DEPTH {
        return Err(Report::nowhere(format!(
            "{}: directories stand more than {} deep",
            path.display(),
            limits::DEPTH
        )));
    }
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            collect(&entry.path(), is_meant, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Whether a path is that of a trigger file.
#[must_use]
pub fn is_trigger_file(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let stem = name
        .strip_suffix(".yaml")
        .or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| !stem.ends_with(".test"))
}

/// Whether a path is that of a file of a set: of a trigger, of what triggers have in common, of data, or of a model.
#[must_use]
pub fn is_set_file(path: &Path) -> bool {
    is_trigger_file(path) || data::is_data_file(path) || is_onnx(&path.to_string_lossy())
}

/// Loads a trigger file, or all of a directory.
///
/// # Errors
/// Everything that is wrong with any of them, in order of path.
pub fn load(path: &Path, basis: &Basis) -> Result<Plan, Vec<Report>> {
    compile(&sources(path)?, basis)
}

/// The files of a set: a file, or all of a directory.
///
/// # Errors
/// What cannot be read.
pub fn sources(path: &Path) -> Result<Vec<Source>, Vec<Report>> {
    let paths = files(path, is_set_file).map_err(|report| vec![report])?;
    let (mut sources, mut reports) = (Vec::new(), Vec::new());
    for path in &paths {
        match Source::load(path) {
            Ok(source) => sources.push(source),
            Err(report) => reports.push(report),
        }
    }
    match reports.is_empty() {
        true => Ok(sources),
        false => Err(reports),
    }
}

/// Reads and compiles trigger files.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn compile(sources: &[Source], basis: &Basis) -> Result<Plan, Vec<Report>> {
    if sources.is_empty() || sources.len() > limits::TRIGGERS {
        let message = format!(
            "there are {} trigger files, those of facts, models, segments and the like among them; from 1 to {} are taken",
            sources.len(),
            limits::TRIGGERS
        );
        return Err(vec![Report::nowhere(message)]);
    }
    let read = read(sources, basis)?;
    let revision = revision(&read, basis);
    let Read {
        triggers,
        facts,
        models,
        segments,
        suppressions,
        referrals,
        policy,
        data: _,
        tables,
        points,
    } = read;
    let triggers = triggers.into_iter();
    let plan = Plan::new(
        basis.vocabulary.clone(),
        triggers.map(|(definition, _)| definition.trigger).collect(),
        (
            facts.into_iter().map(|(fact, _)| fact).collect(),
            models.into_iter().map(|(model, _)| model).collect(),
            segments.into_iter().map(|(segment, _)| segment).collect(),
        ),
        policy,
        revision.into(),
    );
    let texts = tables.iter().map(|(table, _)| table.text);
    let texts = texts.chain(points.iter().map(|(points, _)| points.text));
    let mut plan = plan.asking(texts);
    let tables = tables.into_iter().map(|(it, _)| (it.name, it.table));
    plan.has_tables(
        tables
            .filter(|(_, table)| table.topic().is_some())
            .collect(),
    );
    plan.suppressions = suppressions.into_iter().map(|(list, _)| list).collect();
    plan.attributes = basis.attributes.clone();
    plan.referrals = referrals.into_iter().map(|(it, _)| it).collect();
    Ok(plan)
}

/// The files of a set, each kind sorted by name.
#[derive(Debug)]
pub struct Read<'s> {
    /// Triggers.
    pub triggers: Vec<(Definition, &'s Source)>,
    /// What is looked up.
    pub tables: Vec<(Named, &'s Source)>,
    /// What is measured.
    pub facts: Vec<(Fact, &'s Source)>,
    /// What follows from conditions.
    pub points: Vec<(Points, &'s Source)>,
    /// What scores customers.
    pub models: Vec<(Declaration, &'s Source)>,
    /// Who is meant by a name.
    pub segments: Vec<(Segment, &'s Source)>,
    /// Who is sent nothing.
    pub suppressions: Vec<(Suppression, &'s Source)>,
    /// By what customers bring friends.
    pub referrals: Vec<(Referral, &'s Source)>,
    /// What is common to all triggers.
    pub policy: Policy,
    /// What others name.
    pub data: Vec<&'s Source>,
}

/// Reads the files of a set: what is measured first, for the others ask for it.
///
/// # Errors
/// Everything that is wrong with any of them; of triggers nothing where what they may ask for is wrong.
pub fn read<'s>(sources: &'s [Source], basis: &Basis) -> Result<Read<'s>, Vec<Report>> {
    let plain = Declared::new(&basis.vocabulary, &basis.attributes);
    let policy = policy(sources, basis)?;
    let (onnx, data, mut rest) = parted(sources);
    let mut files = |what: &str| -> Vec<&Source> {
        let (of, others) = rest.iter().partition(|source| is_of(source, what));
        rest = others;
        of
    };
    let (of_tables, of_facts, of_models) = (files("table"), files("fact"), files("model"));
    let (of_points, of_facts): (Vec<_>, Vec<_>) =
        of_facts.into_iter().partition(|source| is_points(source));
    let read = |source: &Source| suppression::read(source, plain, &data);
    let suppressions = named(&files("suppression"), "suppression lists", read, |it| {
        (&it.name, hashed(&it.name))
    })?;
    let of_referrals = files("referral");
    let others = rest;
    let mut derived = Declarations {
        home: policy.default_timezone.zone(),
        ..Declarations::default()
    };

    let read = |source: &Source| table::read(source, plain, &data);
    let tables = named(&of_tables, "tables", read, |it| {
        (&it.name, hashed(&it.name))
    })?;
    let by_name = tables.iter();
    let by_name = by_name.map(|(it, _)| (it.name.to_string(), Arc::clone(&it.table)));
    derived.tables = by_name.collect();

    let read = |source: &Source| fact::read(source, plain.with(&derived));
    let facts = named(&of_facts, "facts", read, |it| (&it.name, it.spec.key))?;
    let specs = facts.iter();
    let specs = specs.map(|(fact, _)| (fact.name.to_string(), fact.spec.clone()));
    derived.facts = specs.collect();
    let points = points(&of_points, plain.with(&derived), &facts)?;
    let by_name = points.iter();
    derived.points = by_name
        .map(|(it, _)| (it.name.to_string(), it.of.clone()))
        .collect();

    let read = |source: &Source| model::read(source, plain.with(&derived), &onnx);
    let models = named(&of_models, "models", read, |it| {
        (&it.name, hashed(&it.name))
    })?;
    let specs = models.iter();
    let specs = specs.map(|(model, _)| (model.name.to_string(), Arc::clone(&model.spec)));
    derived.models = specs.collect();

    let (segments, of_triggers) = segments(others, plain, &mut derived)?;
    let declared = plain.with(&derived);
    let referrals = referrals(&of_referrals, declared)?;
    let (mut triggers, mut reports) = all(&of_triggers, |source| {
        let mut definition = definition::read(source, declared)?;
        definition.trigger.text = source.digest();
        Ok(definition)
    });
    reports.extend(disagreements(&triggers, &policy, &referrals));
    if !reports.is_empty() {
        return Err(reports);
    }
    triggers.sort_by(|(a, _), (b, _)| a.trigger.name.cmp(&b.trigger.name));
    Ok(Read {
        triggers,
        tables,
        points,
        facts,
        models,
        segments,
        suppressions,
        referrals,
        policy,
        data,
    })
}

/// What triggers say that does not go with the others, or with what they name.
fn disagreements(
    triggers: &[(Definition, &Source)],
    policy: &Policy,
    referrals: &[(Referral, &Source)],
) -> Vec<Report> {
    let mut reports = collisions(triggers);
    reports.extend(undeclared_purposes(triggers, policy));
    reports.extend(codes_without_key(triggers, policy));
    reports.extend(undeclared_referrals(triggers, referrals));
    reports
}

/// The files of models and of data that others name, and the rest but for the policy.
fn parted(sources: &[Source]) -> (Vec<&Source>, Vec<&Source>, Vec<&Source>) {
    let (onnx, others): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| is_onnx(source.name()));
    let (data, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|source| is_data(source));
    let others = others.into_iter().filter(|source| !is_policy(source));
    (onnx, data, others.collect())
}

fn hashed(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// Reads where customers stand, each kind of file behind those that it may ask for; and gives back the files that are of none.
#[expect(clippy::type_complexity, reason = "two lists of what stands in files")]
fn segments<'s>(
    mut others: Vec<&'s Source>,
    plain: Declared<'_>,
    derived: &mut Declarations,
) -> Result<(Vec<(Segment, &'s Source)>, Vec<&'s Source>), Vec<Report>> {
    let mut segments = Vec::new();
    for file in segment::FILES {
        let (own, rest) = others
            .into_iter()
            .partition(|source| is_of(source, file.word));
        others = rest;
        let own: Vec<&Source> = own;
        let asking = plain.with(derived);
        let (found, mut reports) = all(&own, |source| segment::read(file, source, asking));
        let mut found = found;
        found.sort_by(|(a, _), (b, _)| {
            a.first()
                .map(|it| &it.name)
                .cmp(&b.first().map(|it| &it.name))
        });
        let found = found.into_iter();
        let found: Vec<_> = found
            .flat_map(|(several, source)| several.into_iter().map(move |it| (it, source)))
            .collect();
        reports.extend(namesakes(&found));
        if let [first, second, ..] = &own[..]
            && file.is_single
        {
            let (first, message) = (first.name(), "a set has one of these files");
            let report = Report::at(second, 0..file.word.len(), message);
            reports.push(report.expected(format!("all of it in one; another is {first}")));
        }
        if !reports.is_empty() {
            return Err(reports);
        }
        for (segment, _) in &found {
            segment.declare(derived);
        }
        segments.extend(found);
    }
    Ok((segments, others))
}

/// Segments, or what else is one, of one name.
fn namesakes(found: &[(Segment, &Source)]) -> Vec<Report> {
    let mut sorted: Vec<_> = found
        .iter()
        .map(|(it, source)| (&it.name, *source))
        .collect();
    sorted.sort_by_key(|(name, _)| *name);
    collide(&sorted, "segments", |name| (name, hashed(name)))
}

/// The referrals of a set, of which each code is one's.
fn referrals<'s>(
    sources: &[&'s Source],
    declared: Declared<'_>,
) -> Result<Vec<(Referral, &'s Source)>, Vec<Report>> {
    let read = |source: &Source| referral::read(source, declared);
    let found = named(sources, "referrals", read, |it| {
        (&it.name, hashed(&it.name))
    })?;
    let mut reports = Vec::new();
    for (place, (one, source)) in found.iter().enumerate() {
        let mut before = found[..place].iter();
        if let Some((other, _)) = before.find(|(other, _)| one.is_mistaken_for(other)) {
            let message = format!("codes of `{}` and `{}` look alike", one.name, other.name);
            let at = key_in(source.text(), "prefix:");
            let report = Report::at(source, at..at + "prefix".len(), message);
            let expected = "a `prefix` that neither begins with the other's nor is its beginning";
            reports.push(report.expected(expected.to_owned()));
        }
    }
    match reports.is_empty() {
        true => Ok(found),
        false => Err(reports),
    }
}

/// Referrals that triggers name and nobody declares.
fn undeclared_referrals(
    read: &[(Definition, &Source)],
    referrals: &[(Referral, &Source)],
) -> Vec<Report> {
    let known = || referrals.iter().map(|(it, _)| it.name.as_str());
    let mut reports = Vec::new();
    for (definition, source) in read {
        let choices = definition.trigger.choices();
        let asked = choices.filter_map(|choice| match choice.code.as_ref()? {
            Coded::Own(_) => None,
            Coded::Referral(name) => Some(name),
        });
        for name in asked.filter(|name| known().all(|it| it != *name)) {
            let key = key_in(source.text(), "referral:");
            let place = source.text()[key..].find(name.as_str()).unwrap_or(0) + key;
            let message = format!("no referral is called `{name}`");
            let report = Report::at(source, place..place + name.len(), message);
            let expected = "one that a file of the set declares, `referral: ...`";
            let suggestion = closest(name, known()).map(str::to_owned);
            reports.push(report.expected(expected.to_owned()).suggest(suggestion));
        }
    }
    reports
}

/// The facts of a set that follow from conditions, which may ask for the others, `facts`.
fn points<'s>(
    sources: &[&'s Source],
    declared: Declared<'_>,
    facts: &[(Fact, &Source)],
) -> Result<Vec<(Points, &'s Source)>, Vec<Report>> {
    let (mut found, mut reports) = all(sources, |source| fact::points::read(source, declared));
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let named = facts.iter().map(|(fact, source)| (&fact.name, *source));
    let named = named.chain(found.iter().map(|(points, source)| (&points.name, *source)));
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|(name, _)| *name);
    reports.extend(collide(&named, "facts", |name| (name, hashed(name))));
    match reports.is_empty() {
        true => Ok(found),
        false => Err(reports),
    }
}

/// What files of one kind declare, sorted by name; `own`: its name, and the hash by which it is known.
fn named<'s, T, K: Into<u64>>(
    sources: &[&'s Source],
    kind: &str,
    read: impl Fn(&Source) -> Result<T, Vec<Report>>,
    own: impl Fn(&T) -> (&Text, K),
) -> Result<Vec<(T, &'s Source)>, Vec<Report>> {
    let (mut found, mut reports) = all(sources, read);
    found.sort_by(|(a, _), (b, _)| own(a).0.cmp(own(b).0));
    reports.extend(collide(&found, kind, own));
    match reports.is_empty() {
        true => Ok(found),
        false => Err(reports),
    }
}

/// What triggers are for that the policy does not say.
fn undeclared_purposes(read: &[(Definition, &Source)], policy: &Policy) -> Vec<Report> {
    let known = policy.purposes.keys().map(Text::as_str);
    let known = || known.clone().chain([MARKETING]);
    let asked = read.iter().filter_map(|(definition, source)| {
        let purpose = definition.trigger.policy.purpose.as_ref()?;
        Some((purpose, *source))
    });
    let unknown = asked.filter(|(purpose, _)| known().all(|it| it != *purpose));
    let report = |(purpose, source): (&Text, &Source)| {
        let key = source.text().find("purpose:").unwrap_or(0);
        let place = source.text()[key..].find(purpose.as_str()).unwrap_or(0) + key;
        let message = format!("no purpose is called `{purpose}`");
        Report::at(source, place..place + purpose.len(), message)
            .expected("one of the policy's `purposes`, or marketing".to_owned())
            .suggest(closest(purpose, known()).map(str::to_owned))
    };
    unknown.map(report).collect()
}

/// Triggers whose commands have codes, where nothing is said of which they are derived.
fn codes_without_key(read: &[(Definition, &Source)], policy: &Policy) -> Vec<Report> {
    let has_codes = |definition: &Definition| {
        let mut choices = definition.trigger.choices();
        choices.any(|choice| choice.code.is_some())
    };
    let without = read
        .iter()
        .filter(|(definition, _)| !policy.code_key.is_known() && has_codes(definition));
    let report = |(_, source): &(Definition, &Source)| {
        let at = key_in(source.text(), "code:");
        let message = "codes are derived of a key, and none is configured";
        Report::at(source, at..at + "code".len(), message).expected(
            "`[codes] key_file = \"...\"` in the configuration; `openssl rand -hex 32` makes what it holds".to_owned(),
        )
    };
    without.map(report).collect()
}

/// Where a text has a key, `code:`: not behind the sign of a comment, nor as the end of another key.
fn key_in(text: &str, key: &str) -> usize {
    let mut found = text.match_indices(key).map(|(at, _)| at);
    let is_key = |at: &usize| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        let is_end = line.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        !is_end && !line.contains('#')
    };
    found.find(is_key).unwrap_or(0)
}

/// The policy of a set: as configured, with what its file says in the place of that.
///
/// # Errors
/// Everything that is wrong with that file, or that there are two.
pub fn policy(sources: &[Source], basis: &Basis) -> Result<Policy, Vec<Report>> {
    let mut files = sources
        .iter()
        .filter(|source| !is_data(source) && is_policy(source));
    let Some(file) = files.next() else {
        return Ok(basis.policy.clone());
    };
    if let Some(second) = files.next() {
        let message = format!("the policy is in {} already", file.name());
        let report = Report::at(second, 0..0, message);
        return Err(vec![report.expected("one policy in a set".to_owned())]);
    }
    let declared = Declared::new(&basis.vocabulary, &basis.attributes);
    policy_file::read(file, declared, &basis.policy)
}

/// Whether a file declares this, by its keys.
#[must_use]
pub fn is_of(source: &Source, what: &str) -> bool {
    yaml::keys(source).iter().any(|key| key == what)
}

/// Whether a file is of data that others name.
#[must_use]
pub fn is_data(source: &Source) -> bool {
    data::is_named(source.name())
}

/// Whether a file says what is common to all triggers, and is none of a trigger.
#[must_use]
pub fn is_policy(source: &Source) -> bool {
    let of_trigger = ["trigger", "moment", "treatments"];
    is_of(source, "policy") && !of_trigger.iter().any(|it| is_of(source, it))
}

/// Whether a file is of what all triggers have in common, and none of a trigger.
#[must_use]
pub fn is_shared(source: &Source) -> bool {
    let shared = ["table", "fact", "model", "suppression", "referral"].into_iter();
    let mut shared = shared.chain(segment::FILES.iter().map(|file| file.word));
    is_onnx(source.name()) || is_data(source) || shared.any(|word| is_of(source, word))
}

/// What could be read of files, and what is wrong with the others.
fn all<'s, T>(
    sources: &[&'s Source],
    read: impl Fn(&Source) -> Result<T, Vec<Report>>,
) -> (Vec<(T, &'s Source)>, Vec<Report>) {
    let (mut found, mut reports) = (Vec::new(), Vec::new());
    for source in sources {
        match read(source) {
            Ok(it) => found.push((it, *source)),
            Err(wrong) => reports.extend(wrong),
        }
    }
    (found, reports)
}

/// What of one kind, sorted by name, an expression or a profile could not tell apart; `own`: its name, and the hash by which a profile
/// keeps it.
fn collide<T, K: Into<u64>>(
    found: &[(T, &Source)],
    kind: &str,
    own: impl Fn(&T) -> (&Text, K),
) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut by_key: HashMap<u64, &Text> = HashMap::new();
    for (i, (one, source)) in found.iter().enumerate() {
        let (name, key) = own(one);
        let place = source.text().find(name.as_str()).unwrap_or(0);
        let span = place..place + name.len();
        let before = i.checked_sub(1).map(|i| &found[i]);
        if let Some((_, first)) = before.filter(|(before, _)| own(before).0 == name) {
            let (first, second) = (first.name(), source.name());
            let message = format!("`{name}` is the name of two {kind}: in {first} and in {second}");
            let report = Report::at(source, span, message);
            reports.push(report.expected("each name once in a set".to_owned()));
        } else if let Some(other) = by_key.insert(key.into(), name) {
            let message = format!("`{name}` and `{other}` have, by bad luck, the same hash");
            let report = Report::at(source, span, message);
            reports.push(report.expected("another name for one of them".to_owned()));
        }
    }
    reports
}

/// Triggers that a profile, or a reader of decisions, could not tell apart.
fn collisions(read: &[(Definition, &Source)]) -> Vec<Report> {
    let mut by_name: HashMap<&str, &Source> = HashMap::new();
    let mut by_key: HashMap<u32, &str> = HashMap::new();
    let mut reports = Vec::new();
    for (definition, source) in read {
        let trigger = &definition.trigger;
        let place = source.text().find(trigger.name.as_str()).unwrap_or(0);
        let span = place..place + trigger.name.len();
        if let Some(first) = by_name.insert(&trigger.name, source) {
            let message = format!(
                "`{}` is the name of two triggers: in {} and in {}",
                trigger.name,
                first.name(),
                source.name()
            );
            reports.push(
                Report::at(source, span, message).expected("each name once in a set".to_owned()),
            );
        } else if let Some(other) = by_key.insert(trigger.key, &trigger.name) {
            let message = format!(
                "`{}` and `{other}` have, by bad luck, the same hash of name and generation",
                trigger.name
            );
            reports.push(
                Report::at(source, span, message)
                    .expected("another name or generation for one of them".to_owned()),
            );
        }
    }
    reports
}

/// 16 hex digits over names, texts, the company's own words and policy: the same on any machine,
/// wherever the files lie.
fn revision(read: &Read<'_>, basis: &Basis) -> String {
    let mut hasher = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    // A checkout on another system may have other ends of lines.
    let text = |source: &Source| source.text().replace("\r\n", "\n");
    for (definition, source) in &read.triggers {
        part(definition.trigger.name.as_bytes());
        part(text(source).as_bytes());
    }
    for (table, source) in &read.tables {
        part(format!("tables.{}", table.name).as_bytes());
        part(text(source).as_bytes());
    }
    for (fact, source) in &read.facts {
        part(format!("facts.{}", fact.name).as_bytes());
        part(text(source).as_bytes());
    }
    for (points, source) in &read.points {
        part(format!("facts.{}", points.name).as_bytes());
        part(text(source).as_bytes());
    }
    for (model, source) in &read.models {
        part(format!("models.{}", model.name).as_bytes());
        part(text(source).as_bytes());
        part(&model.file.to_le_bytes());
    }
    for (segment, source) in &read.segments {
        part(format!("segments.{}", segment.name).as_bytes());
        part(text(source).as_bytes());
    }
    for (list, source) in &read.suppressions {
        part(format!("suppressions.{}", list.name).as_bytes());
        part(text(source).as_bytes());
    }
    for (referral, source) in &read.referrals {
        part(format!("referrals.{}", referral.name).as_bytes());
        part(text(source).as_bytes());
    }
    let mut data: Vec<String> = read.data.iter().map(|file| text(file)).collect();
    // Wherever they stand.
    data.sort_unstable();
    data.iter().for_each(|text| part(text.as_bytes()));
    for event in basis.vocabulary.digested() {
        part(event.name.as_bytes());
        for id in Vocabulary::digested_properties(event) {
            let property = basis.vocabulary.property(id);
            part(property.name.as_bytes());
            part(property.kind.described().as_bytes());
        }
    }
    for (name, kind) in &basis.attributes {
        part(name.as_bytes());
        part(kind.described().as_bytes());
    }
    for (topic, mapping) in basis.mappings.iter() {
        part(topic.as_bytes());
        part(mapping.text().replace("\r\n", "\n").as_bytes());
    }
    read.policy.digested(part);
    format!("{:016x}", hasher.digest())
}

#[cfg(test)]
mod tests;
