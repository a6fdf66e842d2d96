//! Training: its options, what it leaves on disk, what stops it and how it goes on.

mod common;

use atomotion::prelude::*;
use common::{Folder, one_at_a_time, skipped};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn labels() -> Labels {
    let movie = Ws2::default().with_size_px(128).with_vacancy_fraction(0.02).simulate(3).unwrap().movie;
    PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap()
}

fn brief() -> Training {
    Training::default().with_steps(6).with_batch(4)
}

fn train(training: &Training) -> Detector {
    Detector::train_with(&labels(), training, best_device(), &mut ()).unwrap()
}

fn message<T>(result: atomotion::Result<T>) -> String {
    match result {
        Ok(_) => panic!("this should have been an error"),
        Err(e) => e.to_string(),
    }
}

/// Every network, loss and output trains, and its map is of the frame's size with a channel for each meaning.
#[test]
fn every_choice_trains() {
    let _turn = one_at_a_time();
    let (labels, frame) = (labels(), labels().frame);
    let mut all: Vec<Training> = Architecture::ALL.iter().map(|&a| brief().with_architecture(a)).collect();
    let losses = [Loss::Focal { gamma: 1.5 }, Loss::CrossEntropy, Loss::Dice, Loss::CrossEntropyAndDice]
        .map(|l| brief().with_loss(l));
    all.extend(losses);
    all.push(brief().with_output(Output::Defect).with_class_weights([2.0, 1.0]));
    all.push(brief().with_schedule(Schedule::Constant).with_averaging(0.0));
    for training in all {
        let detector = Detector::train_with(&labels, &training, best_device(), &mut ()).unwrap();
        let maps = detector.probabilities(&frame).unwrap();
        assert_eq!(maps.dim(), (detector.channels().len(), 128, 128), "{training:?}");
        assert!(maps.iter().all(|p| (0.0..=1.0).contains(p)), "{training:?}");
        assert!(detector.spread(&frame).unwrap().is_none());
    }
}

/// An option out of range is an error that names it before anything is trained.
#[test]
fn options_out_of_range_are_named() {
    let labels = labels();
    for (training, name) in [
        (brief().with_steps(0), "steps"),
        (brief().with_loss(Loss::Focal { gamma: f64::NAN }), "gamma"),
        (brief().with_averaging(1.0), "averaging"),
        (brief().with_networks(0), "networks"),
        (brief().with_held_out(0.9), "held_out"),
        (brief().with_patience(2), "patience"),
        (brief().with_class_weights([0.0, 1.0]), "class_weights"),
        (brief().with_schedule(Schedule::Cosine { warm_up: 1.0 }), "warm_up"),
        (brief().with_augment(Augment::default().with_straight(2.0)), "straight"),
        (brief().with_augment(Augment::default().with_planting(Planting::default().with_rate(0.9))), "rate"),
    ] {
        let said = message(Detector::train_with(&labels, &training, best_device(), &mut ()));
        assert!(said.starts_with(name), "{said} does not begin with {name}");
    }
}

/// A device that is not there is told, before anything is trained or moved.
#[test]
fn a_device_that_is_not_there_is_told() {
    let _turn = one_at_a_time();
    let said = message(Detector::train_with(&labels(), &brief(), Device::Cuda(99), &mut ()));
    assert!(said.contains("no CUDA device 99") && said.contains("best_device()"), "{said}");
    let mut detector = train(&brief());
    let (before, frame) = (detector.device(), labels().frame);
    let maps = detector.probabilities(&frame).unwrap();
    assert!(message(detector.to_device(Device::Cuda(99))).contains("no CUDA device 99"));
    assert_eq!((detector.device(), detector.probabilities(&frame).unwrap()), (before, maps));
    detector.to_device(Device::Cpu).unwrap();
    assert_eq!(detector.device(), Device::Cpu);
}

/// Three networks: their mean and how much they differ; a file keeps all of them.
#[test]
fn an_ensemble_gives_mean_and_spread() {
    let _turn = one_at_a_time();
    let frame = labels().frame;
    let detector = train(&brief().with_networks(3));
    assert_eq!((detector.networks(), detector.losses().len()), (3, 18));
    // The first network is the one that a training without an ensemble gives.
    assert_eq!(train(&brief()).losses(), &detector.losses()[..6]);
    let (mean, spread) = (detector.probabilities(&frame).unwrap(), detector.spread(&frame).unwrap().unwrap());
    assert!(spread.iter().all(|s| *s >= 0.0) && spread.mean().unwrap() > 1e-4);
    // Three numbers from 0 to 1 with that mean cannot differ by more.
    assert!(mean.iter().zip(&spread).all(|(m, s)| s * s <= 1.5 * m * (1.0 - m) + 1e-5));
    let folder = Folder::new("ensemble");
    detector.save(folder.join("d.safetensors")).unwrap();
    let again = Detector::load(folder.join("d.safetensors")).unwrap();
    assert_eq!(again.networks(), 3);
    assert_eq!(again.probabilities(&frame).unwrap(), mean);
    assert_eq!(again.spread(&frame).unwrap().unwrap(), spread);
}

/// Stops after some steps, as the notebook's button does.
struct Stop {
    after: usize,
    done: usize,
}

impl Progress for Stop {
    fn update(&mut self, done: usize, _: usize, _: &str) {
        self.done = done;
    }

    fn interrupted(&self) -> bool {
        self.done >= self.after
    }
}

/// Stopped anywhere (in the first network, between two, in the second) and gone on with from its file, a training ends
/// with the same bits.
#[test]
fn a_stopped_training_ends_the_same() {
    let _turn = one_at_a_time();
    let (folder, labels, frame) = (Folder::new("stopped"), labels(), labels().frame);
    let training = brief().with_networks(2).with_held_out(0.3);
    let whole = Detector::train_with(&labels, &training, best_device(), &mut ()).unwrap();
    assert!(!whole.held_out().is_empty());
    for after in [1, 4, 6, 7, 11] {
        let path = folder.join(format!("{after}.safetensors"));
        let named = training.clone().with_checkpoint(&path);
        let stopped = Detector::train_with(&labels, &named, best_device(), &mut Stop { after, done: 0 });
        assert!(message(stopped).contains(&format!("after {after} of 12")));
        let resumed = Detector::resume(&path).unwrap();
        assert_eq!(resumed.losses(), whole.losses(), "stopped after {after}");
        assert_eq!(resumed.held_out(), whole.held_out(), "stopped after {after}");
        assert_eq!(resumed.probabilities(&frame).unwrap(), whole.probabilities(&frame).unwrap());
    }
}

/// Two labelled frames: crops come from both, the header names them, a stopped training goes on the same; frames of another
/// magnification, none, and frames without any label are told.
#[test]
fn several_frames_teach_one_network() {
    let _turn = one_at_a_time();
    let of = |movie: &Movie, frame| PeriodicityBreak::default().label(&movie.frame(frame).unwrap()).unwrap();
    let experiment = Ws2::default().with_size_px(128).with_vacancy_fraction(0.02).with_frames(4);
    let movie = experiment.simulate(3).unwrap().movie;
    let both = [of(&movie, 0), of(&movie, 3)];
    let training = brief().with_held_out(0.3);
    let train = |labels: &[Labels]| Detector::train_with(labels, &training, best_device(), &mut ()).unwrap();
    let whole = train(&both);
    assert_ne!(whole.losses(), train(&both[..1]).losses());
    let one = Detector::train_with(&both[0], &training, best_device(), &mut ()).unwrap();
    assert_eq!(train(&both[..1]).losses(), one.losses());
    let folder = Folder::new("several");
    whole.save(folder.join("d.safetensors")).unwrap();
    assert!(format!("{whole:?}").contains("frames 0, 3 of"), "{whole:?}");
    let path = folder.join("stopped.safetensors");
    let named = training.clone().with_checkpoint(&path);
    let stopped = Detector::train_with(&both, &named, best_device(), &mut Stop { after: 3, done: 0 });
    assert!(message(stopped).contains("after 3 of 6"));
    let resumed = Detector::resume(&path).unwrap();
    assert_eq!(resumed.losses(), whole.losses());
    assert_eq!(resumed.probabilities(&both[0].frame).unwrap(), whole.probabilities(&both[0].frame).unwrap());
    let coarse = of(&movie.bin(2).unwrap(), 0);
    let failed = |labels: &[Labels]| message(Detector::train_with(labels, &training, best_device(), &mut ()));
    assert!(failed(&[both[0].clone(), coarse]).contains("px a lattice period"));
    assert!(failed(&[]).contains("no labelled frame"));
    let none = both[0].at_threshold(1000.0).unwrap();
    assert!(failed(&[none.clone(), none]).contains("any of the frames"));
}

/// The header says in plain words what the file is; files of an earlier version say so.
#[test]
fn files_say_what_they_are() {
    let _turn = one_at_a_time();
    let folder = Folder::new("headers");
    let path = folder.join("d.safetensors");
    train(&brief().with_held_out(0.3)).save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    for word in
        ["atomotion detector 4", "architecture", "Light", "options", "data", "frame 0 of", "seed", "metrics", "F1"]
    {
        assert!(header.contains(word), "{word} is not in {header}");
    }
    let older = header.replace("atomotion detector 4", "atomotion detector 1");
    let file = [&bytes[..8], older.as_bytes(), &bytes[8 + length..]].concat();
    let said = message(Detector::load(folder.write("old.safetensors", &file)));
    assert!(said.contains("atomotion detector 1") && said.contains("train again"), "{said}");
    assert!(message(Trainer::load(&path)).contains("atomotion checkpoint 4"));
}

/// A held-out part that no longer gets better ends a training early.
#[test]
fn patience_ends_a_training() {
    let _turn = one_at_a_time();
    // Steps so small that nothing is learnt: some look is no better than those before it.
    let training =
        Training::default().with_steps(200).with_batch(2).with_learning_rate(1e-9).with_held_out(0.3).with_patience(1);
    let detector = train(&training);
    assert!(detector.losses().len() < 200, "{}", detector.losses().len());
}

/// Removes the folder of the checkpoint while training goes on, as a disk does that goes away.
struct Remove<'a> {
    folder: &'a Folder,
    said: String,
}

impl Progress for Remove<'_> {
    fn update(&mut self, done: usize, _: usize, note: &str) {
        if done == 2 {
            std::fs::remove_dir_all(self.folder.join("")).unwrap();
        }
        note.clone_into(&mut self.said);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_no_training() {
    let _turn = one_at_a_time();
    let folder = Folder::new("goes-away");
    let training = brief().with_checkpoint(folder.join("c.safetensors"));
    let mut progress = Remove { folder: &folder, said: String::new() };
    let detector = Detector::train_with(&labels(), &training, best_device(), &mut progress).unwrap();
    assert_eq!(detector.losses().len(), 6);
    assert!(progress.said.contains("no checkpoint") && progress.said.contains("c.safetensors"), "{}", progress.said);
}

/// Set in a process that trains for the tests that follow: where to keep its checkpoint.
const CHILD: &str = "ATOMOTION_TEST_CHECKPOINT";
/// Set as well: no file may be larger than this, as on a disk that is full.
const SMALL: &str = "ATOMOTION_TEST_LARGEST_FILE";

fn child_training() -> Training {
    Training::default().with_steps(60).with_batch(4)
}

/// Not a test by itself: what the child does. It keeps a checkpoint after every step.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut trainer = Detector::trainer(&labels(), &child_training().with_checkpoint(&path)).unwrap();
    if let Some(bytes) = std::env::var(SMALL).ok().and_then(|b| b.parse().ok()) {
        // SAFETY: both calls only change how this process is treated, and are given valid values.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::setrlimit(libc::RLIMIT_FSIZE, &libc::rlimit { rlim_cur: bytes, rlim_max: bytes });
        }
        let mut said = Said(String::new());
        let error = trainer.save(&path).unwrap_err().to_string();
        trainer.run_with(&mut said).unwrap_err(); // the user's own file, that cannot be begun, is told at once
        println!("child: {error}");
        return;
    }
    for step in 1.. {
        match trainer.run_with(&mut Stop { after: step, done: 0 }) {
            Ok(()) => break,
            Err(Error::Interrupted { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

struct Said(String);

impl Progress for Said {
    fn update(&mut self, _: usize, _: usize, note: &str) {
        note.clone_into(&mut self.0);
    }
}

fn start_child(path: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(CHILD, path).stdin(Stdio::null());
    command
}

/// Killed at some moment, perhaps while it writes, a training goes on from its file and ends as if nothing had been.
#[test]
fn a_killed_training_goes_on() {
    let _turn = one_at_a_time();
    let folder = Folder::new("killed");
    let path = folder.join("c.safetensors");
    let mut child = start_child(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !path.exists() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(700));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let trainer = Trainer::load(&path).unwrap();
    println!("killed after {} steps", trainer.steps());
    let resumed = Detector::resume(&path).unwrap();
    let whole = Detector::train_with(&labels(), &child_training(), best_device(), &mut ()).unwrap();
    assert_eq!(resumed.losses(), whole.losses());
}

/// Where the disk takes no more, the error says which file and what the system said, and nothing is left behind.
#[test]
fn a_full_disk_is_told() {
    let _turn = one_at_a_time();
    let folder = Folder::new("full");
    let path = folder.join("c.safetensors");
    let out = start_child(&path).env(SMALL, "65536").output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(
        said.contains("child: cannot write") && said.contains("c.safetensors") && said.contains("too large"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(folder.join("")).unwrap().count(), 0);
}

/// A network of the published recipe with random weights gives the same map here as in PyTorch. Needs a Python that
/// has it, named by `ATOMOTION_TORCH_PYTHON`.
#[test]
fn weights_of_pytorch_are_read() {
    let Some(python) = std::env::var_os("ATOMOTION_TORCH_PYTHON") else {
        return skipped("weights_of_pytorch_are_read", "ATOMOTION_TORCH_PYTHON is not set");
    };
    let folder = Folder::new("converted");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/convert_weights.py");
    let done = Command::new(python).arg(script).arg("--check").arg(folder.join("")).status().unwrap();
    assert!(done.success());
    let frame = Movie::open(folder.join("frame.npy")).unwrap().frame(0).unwrap();
    let expected = Movie::open(folder.join("expected.npy")).unwrap().frame(0).unwrap().data;
    let detector = Detector::load(folder.join("detector.safetensors")).unwrap();
    assert_eq!(detector.channels(), [Channel::Defect]);
    let found = detector.probabilities(&frame).unwrap();
    let far =
        found.index_axis(ndarray::Axis(0), 0).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("differs by {far}");
    assert!(far < 1e-4, "{far}");
}
