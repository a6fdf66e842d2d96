//! The command line: words in, an `Action` out. Nothing here touches the machine.

use crate::help;
use std::path::PathBuf;

#[derive(Debug, PartialEq)]
pub enum Action {
    Open(Open),
    SetUp,
    Test {
        full: bool,
    },
    Run(Run),
    /// What `atomotion analyse` is started with.
    Analyse(Vec<String>),
    Docs {
        out: Option<PathBuf>,
    },
    BenchKernel(Bench),
    BenchDetect(Detect),
    BenchDynamics(Dynamics),
    BenchClassify(Classify),
    Dataset {
        name: String,
    },
    Repl,
    KernelInstall(Destination),
    KernelUninstall(Destination),
    Doctor,
    Help(&'static str),
}

#[derive(Debug, PartialEq)]
pub struct Run {
    pub notebook: PathBuf,
    pub out: Option<PathBuf>,
    /// A movie's path, or the name of a dataset, for the notebook to work on.
    pub movie: Option<String>,
    pub timeout_s: u64,
}

/// How JupyterLab is opened.
#[derive(Debug, PartialEq)]
pub struct Open {
    pub browser: bool,
    pub port: Option<u16>,
    /// Whether a kernel is kept ready for the next notebook.
    pub warm: bool,
}

/// What `bench kernel` measures.
#[derive(Debug, PartialEq)]
pub struct Bench {
    pub rounds: u64,
    pub without: Vec<Peer>,
    pub drop_caches: bool,
    /// Whether the tables go into benches/README.md.
    pub write: bool,
}

/// A kernel that ours is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peer {
    Stock,
    Python,
}

impl Peer {
    const ALL: [Peer; 2] = [Peer::Stock, Peer::Python];

    pub fn name(self) -> &'static str {
        match self {
            Peer::Stock => "stock",
            Peer::Python => "python",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Peer::Stock => "stock evcxr_jupyter",
            Peer::Python => "ipykernel with AtomAI",
        }
    }
}

/// What `bench detect` measures.
#[derive(Debug, PartialEq)]
pub struct Detect {
    /// Whether other programs are run beside ours.
    pub peers: bool,
    pub write: bool,
    /// Seeds of every comparison with others, minutes that each of their trainings may take, movies of each kind, minutes
    /// within which anything new is begun.
    pub numbers: Vec<(String, u64)>,
}

impl Detect {
    /// The words that ask for it.
    pub fn command(&self) -> String {
        let mut words = String::from("cargo lab bench detect");
        for (name, number) in &self.numbers {
            words += &format!(" --{name} {number}");
        }
        for (given, flag) in [(!self.peers, " --without peers"), (self.write, " --write")] {
            words += if given { flag } else { "" };
        }
        words
    }
}

/// What `bench dynamics` measures.
#[derive(Debug, PartialEq)]
pub struct Dynamics {
    /// Whether AtomAI is run beside ours; trackpy and hmmlearn always are.
    pub atomai: bool,
    pub write: bool,
    /// Of the simulated movies; a new one each time unless it is given.
    pub seed: Option<u64>,
    /// Movies of each kind.
    pub movies: Option<u64>,
}

impl Dynamics {
    /// The words that ask for it.
    pub fn command(&self) -> String {
        let mut words = String::from("cargo lab bench dynamics");
        for (name, number) in [("seed", self.seed), ("movies", self.movies)] {
            words += &number.map(|n| format!(" --{name} {n}")).unwrap_or_default();
        }
        for (given, flag) in [(!self.atomai, " --without atomai"), (self.write, " --write")] {
            words += if given { flag } else { "" };
        }
        words
    }
}

/// What `bench classify` measures.
#[derive(Debug, PartialEq)]
pub struct Classify {
    pub write: bool,
    /// Patches of the largest set; 0 leaves it out.
    pub many: Option<u64>,
}

impl Classify {
    /// The words that ask for it.
    pub fn command(&self) -> String {
        let many = self.many.map(|many| format!(" --many {many}")).unwrap_or_default();
        format!("cargo lab bench classify{many}{}", if self.write { " --write" } else { "" })
    }
}

impl Bench {
    /// The words that ask for it.
    pub fn command(&self) -> String {
        let mut words = String::from("cargo lab bench kernel");
        if self.rounds != ROUNDS {
            words += &format!(" --rounds {}", self.rounds);
        }
        for peer in &self.without {
            words += &format!(" --without {}", peer.name());
        }
        for (given, flag) in [(self.drop_caches, " --drop-caches"), (self.write, " --write")] {
            words += if given { flag } else { "" };
        }
        words
    }
}

const ROUNDS: u64 = 3;

/// Where `kernel install` puts the kernel.
#[derive(Debug, PartialEq)]
pub enum Destination {
    User,
    Prefix(PathBuf),
}

pub const CELL_TIMEOUT_S: u64 = 600;

pub fn parse(words: &[String]) -> Result<Action, String> {
    let Some((first, rest)) = words.split_first() else {
        return parse_open(words);
    };
    if first == "--help" || first == "-h" {
        return Ok(Action::Help(help::GENERAL));
    }
    if first.starts_with('-') {
        return parse_open(words);
    }
    match first.as_str() {
        "setup" => plain("setup", rest, help::SETUP, Action::SetUp),
        "test" => parse_test(rest),
        "run" => parse_run(rest),
        "analyse" => Ok(parse_analyse(rest)),
        "docs" => parse_docs(rest),
        "bench" => parse_bench(rest),
        "dataset" => parse_dataset(rest),
        "repl" => plain("repl", rest, help::REPL, Action::Repl),
        "kernel" => parse_kernel(rest),
        "doctor" => plain("doctor", rest, help::DOCTOR, Action::Doctor),
        "help" => parse_help(rest),
        other => {
            const KNOWN: [&str; 11] =
                ["setup", "test", "run", "analyse", "docs", "bench", "dataset", "repl", "kernel", "doctor", "help"];
            let hint = nearest(other, &KNOWN);
            Err(format!("there is no command `{other}`.{hint} `cargo lab --help` lists them."))
        }
    }
}

fn parse_open(words: &[String]) -> Result<Action, String> {
    let given = Given::read("", words, &["--no-browser", "--no-warm"], &["--port"], 0)?;
    if given.help {
        return Ok(Action::Help(help::GENERAL));
    }
    let port = given.value("--port").map(|text| number("--port", text, "a port, 1 to 65535")).transpose()?;
    if port == Some(0) {
        return Err("--port 0: a port is a whole number from 1 to 65535.".into());
    }
    Ok(Action::Open(Open { browser: !given.flag("--no-browser"), port, warm: !given.flag("--no-warm") }))
}

fn plain(command: &str, words: &[String], help: &'static str, action: Action) -> Result<Action, String> {
    let given = Given::read(command, words, &[], &[], 0)?;
    Ok(if given.help { Action::Help(help) } else { action })
}

fn parse_test(words: &[String]) -> Result<Action, String> {
    let given = Given::read("test", words, &["--full"], &[], 0)?;
    if given.help {
        return Ok(Action::Help(help::TEST));
    }
    Ok(Action::Test { full: given.flag("--full") })
}

fn parse_run(words: &[String]) -> Result<Action, String> {
    let given = Given::read("run", words, &[], &["--out", "--movie", "--timeout"], 1)?;
    if given.help {
        return Ok(Action::Help(help::RUN));
    }
    let notebook = given
        .positional
        .first()
        .ok_or("`run` needs a notebook: cargo lab run notebooks/NAME.ipynb [--movie PATH] [--out DIR] [--timeout S]")?;
    let timeout = given.value("--timeout");
    let timeout_s = timeout.map(|text| number("--timeout", text, "seconds, a whole number")).transpose()?;
    if timeout_s == Some(0) {
        return Err("--timeout 0: give each cell at least 1 second.".into());
    }
    Ok(Action::Run(Run {
        notebook: notebook.into(),
        out: given.value("--out").map(PathBuf::from),
        movie: given.value("--movie").map(String::from),
        timeout_s: timeout_s.unwrap_or(CELL_TIMEOUT_S),
    }))
}

/// The options are the program's own to read, once it is built; its help is known before.
fn parse_analyse(words: &[String]) -> Action {
    let help = words.is_empty() || words.iter().any(|word| word == "--help" || word == "-h");
    if help { Action::Help(help::ANALYSE) } else { Action::Analyse(words.to_vec()) }
}

fn parse_docs(words: &[String]) -> Result<Action, String> {
    let given = Given::read("docs", words, &[], &["--out"], 0)?;
    if given.help {
        return Ok(Action::Help(help::DOCS));
    }
    Ok(Action::Docs { out: given.value("--out").map(PathBuf::from) })
}

fn parse_bench(words: &[String]) -> Result<Action, String> {
    let Some((what, rest)) = words.split_first() else {
        return Err(
            "`bench` needs to know what to measure: cargo lab bench kernel, detect, classify or dynamics".into()
        );
    };
    if what == "--help" || what == "-h" {
        return Ok(Action::Help(help::BENCH));
    }
    if what == "detect" {
        return parse_detect(rest);
    }
    if what == "classify" {
        return parse_classify(rest);
    }
    if what == "dynamics" {
        return parse_dynamics(rest);
    }
    if what != "kernel" {
        let hint = nearest(what, &["kernel", "detect", "classify", "dynamics"]);
        return Err(format!("`bench {what}`: what can be measured is kernel, detect, classify and dynamics.{hint}"));
    }
    let given = Given::read("bench kernel", rest, &["--drop-caches", "--write"], &["--rounds", "--without"], 0)?;
    if given.help {
        return Ok(Action::Help(help::BENCH));
    }
    let rounds = given.value("--rounds").map(|text| number("--rounds", text, "a whole number")).transpose()?;
    if rounds == Some(0) {
        return Err("--rounds 0: measure at least once.".into());
    }
    let peer = |text: &str| {
        let known = Peer::ALL.into_iter().find(|peer| peer.name() == text);
        known.ok_or_else(|| format!("--without {text}: expected `stock` or `python`."))
    };
    let without = given.values("--without").map(peer).collect::<Result<_, _>>()?;
    let (drop_caches, write) = (given.flag("--drop-caches"), given.flag("--write"));
    Ok(Action::BenchKernel(Bench { rounds: rounds.unwrap_or(ROUNDS), without, drop_caches, write }))
}

fn parse_detect(words: &[String]) -> Result<Action, String> {
    const NUMBERS: [&str; 4] = ["seeds", "minutes", "movies", "within"];
    let takes = ["--seeds", "--minutes", "--movies", "--within", "--without"];
    let given = Given::read("bench detect", words, &["--write"], &takes, 0)?;
    if given.help {
        return Ok(Action::Help(help::BENCH));
    }
    let mut numbers = vec![];
    for name in NUMBERS {
        let flag = format!("--{name}");
        if let Some(text) = given.value(&flag) {
            let value = number(&flag, text, "a whole number")?;
            if value == 0 && name != "within" {
                return Err(format!("{flag} 0: expected at least 1."));
            }
            numbers.push((name.to_owned(), value));
        }
    }
    if let Some(other) = given.values("--without").find(|text| *text != "peers") {
        return Err(format!("--without {other}: expected `peers`."));
    }
    let peers = given.values("--without").next().is_none();
    Ok(Action::BenchDetect(Detect { peers, write: given.flag("--write"), numbers }))
}

fn parse_dynamics(words: &[String]) -> Result<Action, String> {
    let given = Given::read("bench dynamics", words, &["--write"], &["--seed", "--movies", "--without"], 0)?;
    if given.help {
        return Ok(Action::Help(help::BENCH));
    }
    let whole = |flag: &str| given.value(flag).map(|text| number::<u64>(flag, text, "a whole number")).transpose();
    let (seed, movies) = (whole("--seed")?, whole("--movies")?);
    if movies == Some(0) {
        return Err("--movies 0: expected at least 1.".into());
    }
    if let Some(other) = given.values("--without").find(|text| *text != "atomai") {
        return Err(format!("--without {other}: expected `atomai`."));
    }
    let atomai = given.values("--without").next().is_none();
    Ok(Action::BenchDynamics(Dynamics { atomai, write: given.flag("--write"), seed, movies }))
}

fn parse_classify(words: &[String]) -> Result<Action, String> {
    let given = Given::read("bench classify", words, &["--write"], &["--many"], 0)?;
    if given.help {
        return Ok(Action::Help(help::BENCH));
    }
    let many = given.value("--many").map(|text| number("--many", text, "a whole number")).transpose()?;
    Ok(Action::BenchClassify(Classify { write: given.flag("--write"), many }))
}

/// Which names there are is the library's to know.
fn parse_dataset(words: &[String]) -> Result<Action, String> {
    let given = Given::read("dataset", words, &[], &[], 1)?;
    if given.help {
        return Ok(Action::Help(help::DATASET));
    }
    let name = given.positional.first().ok_or("`dataset` needs a name: cargo lab dataset ws2-beam-full")?;
    Ok(Action::Dataset { name: name.clone() })
}

fn parse_kernel(words: &[String]) -> Result<Action, String> {
    let Some((verb, rest)) = words.split_first() else {
        return Err("`kernel` needs `install` or `uninstall`: cargo lab kernel install --user".into());
    };
    if verb == "--help" || verb == "-h" {
        return Ok(Action::Help(help::KERNEL));
    }
    let known = ["install", "uninstall"];
    if !known.contains(&verb.as_str()) {
        let hint = nearest(verb, &known);
        return Err(format!("`kernel {verb}`: it must be `kernel install` or `kernel uninstall`.{hint}"));
    }
    let given = Given::read(&format!("kernel {verb}"), rest, &["--user"], &["--prefix"], 0)?;
    if given.help {
        return Ok(Action::Help(help::KERNEL));
    }
    let destination = match given.value("--prefix") {
        Some(_) if given.flag("--user") => {
            return Err("--user and --prefix name two places: give one of them.".into());
        }
        Some(folder) => Destination::Prefix(folder.into()),
        None => Destination::User,
    };
    let action = if verb == "install" { Action::KernelInstall } else { Action::KernelUninstall };
    Ok(action(destination))
}

fn parse_help(words: &[String]) -> Result<Action, String> {
    let topic = words.first().map(String::as_str);
    let text = match topic {
        None => help::GENERAL,
        Some("setup") => help::SETUP,
        Some("test") => help::TEST,
        Some("run") => help::RUN,
        Some("analyse") => help::ANALYSE,
        Some("docs") => help::DOCS,
        Some("bench") => help::BENCH,
        Some("dataset") => help::DATASET,
        Some("repl") => help::REPL,
        Some("kernel") => help::KERNEL,
        Some("doctor") => help::DOCTOR,
        Some(other) => {
            return Err(format!("there is no command `{other}`. `cargo lab --help` lists them."));
        }
    };
    Ok(Action::Help(text))
}

/// The options and words that followed a command.
struct Given {
    flags: Vec<String>,
    values: Vec<(String, String)>,
    positional: Vec<String>,
    help: bool,
}

impl Given {
    fn read(
        command: &str,
        words: &[String],
        flags: &[&str],
        valued: &[&str],
        positional: usize,
    ) -> Result<Given, String> {
        let mut given = Given { flags: vec![], values: vec![], positional: vec![], help: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_string())),
                _ => (word.as_str(), None),
            };
            if name == "--help" || name == "-h" {
                given.help = true;
            } else if flags.contains(&name) {
                match attached {
                    Some(value) => {
                        return Err(format!("{name} takes no value, but was given `{value}`."));
                    }
                    None => given.flags.push(name.into()),
                }
            } else if valued.contains(&name) {
                let next = || words.next().filter(|next| !next.starts_with("--")).cloned();
                let value = attached.or_else(next).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| format!("{name} needs a value after it."))?;
                given.values.push((name.into(), value));
            } else if name.starts_with('-') {
                return Err(unknown_option(command, name, &[flags, valued, &["--help"]].concat()));
            } else if given.positional.len() == positional {
                return Err(format!("`cargo lab {command}` does not know what to do with `{word}`."));
            } else {
                given.positional.push(word.clone());
            }
        }
        Ok(given)
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// What was given last.
    fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str, wanted: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} {text}: expected {wanted}."))
}

fn unknown_option(command: &str, option: &str, known: &[&str]) -> String {
    let command = format!("cargo lab {command}");
    let command = command.trim_end();
    format!("`{command}` has no option `{option}`.{} `{command} --help` lists them.", nearest(option, known))
}

/// " Did you mean ...?" when a known word is close, nothing otherwise.
fn nearest(word: &str, known: &[&str]) -> String {
    let best = known.iter().min_by_key(|candidate| distance(word, candidate));
    match best {
        Some(best) if distance(word, best) <= best.len() / 2 => format!(" Did you mean `{best}`?"),
        _ => String::new(),
    }
}

/// Levenshtein's distance: how many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Action, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parsed(""), Ok(Action::Open(Open { browser: true, port: None, warm: true })));
        let open = Open { browser: false, port: Some(9000), warm: false };
        assert_eq!(parsed("--no-browser --port=9000 --no-warm"), Ok(Action::Open(open)));
        let bench = Bench { rounds: 5, without: vec![Peer::Python], drop_caches: false, write: true };
        let detect = Detect { peers: false, write: true, numbers: vec![("seeds".into(), 5)] };
        assert_eq!(detect.command(), "cargo lab bench detect --seeds 5 --without peers --write");
        assert_eq!(parsed(detect.command().trim_start_matches("cargo lab ")), Ok(Action::BenchDetect(detect)));
        let dynamics = Dynamics { atomai: false, write: true, seed: Some(7), movies: None };
        assert_eq!(dynamics.command(), "cargo lab bench dynamics --seed 7 --without atomai --write");
        assert_eq!(parsed(dynamics.command().trim_start_matches("cargo lab ")), Ok(Action::BenchDynamics(dynamics)));
        let classify = Classify { write: true, many: Some(0) };
        assert_eq!(classify.command(), "cargo lab bench classify --many 0 --write");
        assert_eq!(parsed(classify.command().trim_start_matches("cargo lab ")), Ok(Action::BenchClassify(classify)));
        let line = bench.command();
        assert_eq!(line, "cargo lab bench kernel --rounds 5 --without python --write");
        assert_eq!(parsed(line.trim_start_matches("cargo lab ")), Ok(Action::BenchKernel(bench)));
        assert_eq!(parsed("dataset ws2-beam"), Ok(Action::Dataset { name: "ws2-beam".into() }));
        assert_eq!(parsed("test --full"), Ok(Action::Test { full: true }));
        let run = Run { notebook: "a.ipynb".into(), out: Some("x".into()), movie: Some("m".into()), timeout_s: 5 };
        assert_eq!(parsed("run --out x a.ipynb --movie m --timeout 5"), Ok(Action::Run(run)));
        assert_eq!(parsed("analyse m --seed 3"), Ok(Action::Analyse(vec!["m".into(), "--seed".into(), "3".into()])));
        assert_eq!(parsed("analyse --help"), Ok(Action::Help(help::ANALYSE)));
        assert_eq!(parsed("docs --out x"), Ok(Action::Docs { out: Some("x".into()) }));
        assert_eq!(parsed("kernel install"), Ok(Action::KernelInstall(Destination::User)));
        assert_eq!(
            parsed("kernel uninstall --prefix /p"),
            Ok(Action::KernelUninstall(Destination::Prefix("/p".into())))
        );
        assert_eq!(parsed("run --help"), Ok(Action::Help(help::RUN)));
    }

    #[test]
    fn mistakes_are_named_and_the_nearest_is_suggested() {
        let mistakes = [
            ("docter", "Did you mean `doctor`?"),
            ("--no-broswer", "Did you mean `--no-browser`?"),
            ("test --ful", "Did you mean `--full`?"),
            ("kernel instal", "Did you mean `install`?"),
            ("run", "needs a notebook"),
            ("run a.ipynb b.ipynb", "`b.ipynb`"),
            ("run a.ipynb --out", "--out needs a value"),
            ("run a.ipynb --out --timeout 5", "--out needs a value"),
            ("run a.ipynb --timeout soon", "--timeout soon: expected seconds"),
            ("bench kernl", "Did you mean `kernel`?"),
            ("bench detec", "Did you mean `detect`?"),
            ("bench dynamic", "Did you mean `dynamics`?"),
            ("bench dynamics --seed soon", "--seed soon: expected a whole number"),
            ("bench clasify", "Did you mean `classify`?"),
            ("bench classify --many all", "--many all: expected a whole number"),
            ("bench detect --seeds 0", "at least 1"),
            ("bench detect --without stock", "expected `peers`"),
            ("bench kernel --rounds 0", "at least once"),
            ("bench kernel --without stok", "expected `stock` or `python`"),
            ("--port 70000", "--port 70000: expected a port"),
            ("kernel install --user --prefix /p", "two places"),
            ("test --full=yes", "takes no value"),
        ];
        for (line, expected) in mistakes {
            let message = parsed(line).expect_err(line);
            assert!(message.contains(expected), "{line}: {message}");
        }
        assert!(!parsed("xyzzy").unwrap_err().contains("Did you mean"));
    }
}
