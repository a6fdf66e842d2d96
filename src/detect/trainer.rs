//! A training under way: it can be stopped after any step, looked at, kept in a file, and gone on with.

use super::augment::{Batch, Canvas};
use super::checkpoint::Checkpoint;
use super::descent::Descent;
use super::detector::Detector;
use super::held::{Parts, judge};
use super::labels::Labels;
use super::member::{Average, Member};
use super::memory::{HeldOut, Memory};
use super::training::{Training, canvases};
use crate::error::{Error, Result};
use crate::progress::{Progress, Reporter};
use crate::session::seeded;
use std::time::{Duration, Instant};
use tch::Device;

/// A crash loses at most so much work.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(60);
/// How often in a training the held-out part is looked at.
const LOOKS: usize = 10;

/// A training that can be interrupted, looked at and gone on with. The steps after an interruption are the same as
/// without it: the same losses and weights, to the last bit, on the same machine.
///
/// ```
/// use atomotion::prelude::*;
/// # let movie = Ws2::default().with_size_px(128).simulate(3)?.movie;
/// # let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// let mut trainer = Detector::trainer(&labels, &Training::default().with_steps(10))?; // 800 for use
/// trainer.run()?; // if the cell is interrupted here, the next one can say the same and go on
/// let detector = trainer.detector()?;
/// # Ok::<(), Error>(())
/// ```
pub struct Trainer {
    /// One for each labelled frame.
    pub(super) canvases: Vec<Canvas>,
    parts: Parts,
    /// Networks that are finished.
    pub(super) done: Vec<Member>,
    /// The one that learns.
    pub(super) descent: Descent,
    pub(super) average: Average,
    pub(super) memory: Memory,
    pub(super) checkpoint: Checkpoint,
    /// The next step's batch, made while the network learnt from the one before, and the step it is for.
    next: Option<(usize, Batch)>,
    timing: Timing,
}

/// How long this session's steps took, and the making of their batches beside them.
#[derive(Clone, Copy, Default)]
struct Timing {
    steps: u32,
    learning: Duration,
    making: Duration,
}

impl Trainer {
    pub(super) fn new(labels: &[Labels], training: &Training, device: Device) -> Result<Trainer> {
        training.validate()?;
        let canvases = canvases(labels, training)?;
        let checkpoint = Checkpoint::of(training.checkpoint.as_deref());
        Trainer::with_new_weights(canvases, Memory::new(labels, training), checkpoint, device)
    }

    pub(super) fn with_new_weights(
        canvases: Vec<Canvas>,
        memory: Memory,
        checkpoint: Checkpoint,
        device: Device,
    ) -> Result<Trainer> {
        let training = &memory.training;
        seeded("Training", training.seed);
        let member = Member::new(training, training.seed_of(memory.network()), device)?;
        let average = Average::new(&member.vs)?;
        let (parts, descent) = (Parts::of(&canvases, training), Descent::new(member)?);
        let (done, timing) = (vec![], Timing::default());
        Ok(Trainer { canvases, parts, done, descent, average, memory, checkpoint, next: None, timing })
    }

    /// Takes the steps that are left, and shows progress.
    ///
    /// # Errors
    /// If training diverges or libtorch refuses. After [`Error::Interrupted`] the trainer goes on where it was.
    pub fn run(&mut self) -> Result<()> {
        self.run_with(&mut Reporter::new("training", "steps"))
    }

    /// Takes the steps that are left, telling `progress`.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn run_with(&mut self, progress: &mut dyn Progress) -> Result<()> {
        self.run_or(progress, "`trainer.run()?` goes on from there and `trainer.detector()?` is the detector so far")
    }

    /// The steps that are left, and the detector: for callers that keep no trainer.
    pub(super) fn finish(mut self, progress: &mut dyn Progress) -> Result<Detector> {
        self.run_or(progress, "")?;
        Detector { members: self.done, memory: self.memory }.calibrated(&self.canvases)
    }

    /// Takes the steps that are left; when interrupted, `else_how` says how to go on, and a file does in any case.
    fn run_or(&mut self, progress: &mut dyn Progress, else_how: &str) -> Result<()> {
        if self.checkpoint.is_users() {
            self.keep()?; // a file that cannot be written is better known now than in an hour
        }
        let (mut saved, mut trouble) = (Instant::now(), String::new());
        progress.losses(&self.memory.losses);
        progress.update(self.steps(), self.memory.all_steps(), "");
        while !self.memory.finished() {
            if progress.interrupted() {
                return Err(self.interrupted(else_how));
            }
            self.step()?;
            if self.memory.step() == self.memory.training.steps || self.memory.stale() {
                self.close()?;
            }
            if saved.elapsed() > BETWEEN_CHECKPOINTS || self.memory.finished() {
                trouble = self.keep_or_remove().err().map_or(String::new(), |e| format!(", no checkpoint: {e}"));
                saved = Instant::now();
            }
            progress.losses(&self.memory.losses);
            progress.update(self.steps(), self.memory.all_steps(), &(self.note() + &trouble));
        }
        Ok(())
    }

    /// Writes the checkpoint, or removes one that nobody named and nobody needs any more. Trouble with it is told and
    /// ends no training.
    fn keep_or_remove(&self) -> Result<()> {
        let needed = !self.memory.finished() || self.checkpoint.is_users();
        if needed { self.keep() } else { self.checkpoint.remove() }
    }

    fn interrupted(&mut self, else_how: &str) -> Error {
        let file = match self.keep() {
            Ok(()) => format!("`Detector::resume({:?})?` goes on from there", self.checkpoint.path()),
            Err(problem) => format!("they could not be kept in a file ({problem})"),
        };
        let how = if else_how.is_empty() { file } else { format!("{else_how}; in another session {file}") };
        let (done, all) = (self.steps(), self.memory.all_steps());
        Error::interrupted(format!("after {done} of {all} training steps"), format!("these steps. {how}"))
    }

    /// One step; meanwhile the next one's batch is made.
    fn step(&mut self) -> Result<()> {
        let (step, network) = (self.memory.step(), self.memory.network());
        let (training, learnt) = (&self.memory.training, &self.parts.learnt);
        let make = |step: usize| {
            let start = Instant::now();
            let batch = training.augment.batch(learnt, training.batch, step as u64, training.seed_of(network));
            (batch, start.elapsed())
        };
        let ready = self.next.take().filter(|(of, _)| *of == step).map(|(_, batch)| batch);
        let batch = ready.unwrap_or_else(|| make(step).0);
        let (descent, parts, rate) = (&mut self.descent, &mut self.memory.parts, training.rate(step));
        let start = Instant::now();
        let (loss, next) = std::thread::scope(|scope| {
            let next = (step + 1 < training.steps).then(|| scope.spawn(|| make(step + 1)));
            let loss = descent.step(&batch, training, rate, parts);
            (loss, next.map(std::thread::ScopedJoinHandle::join))
        });
        self.timing.steps += 1;
        self.timing.learning += start.elapsed();
        match next {
            Some(Ok((batch, took))) => {
                self.timing.making += took;
                self.next = Some((step + 1, batch));
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
        self.take_in(step, loss?)
    }

    /// What a step leaves: its loss, the running mean, and now and then a look at what is held out.
    fn take_in(&mut self, step: usize, loss: f32) -> Result<()> {
        if !loss.is_finite() {
            return Err(Error::data(format!(
                "training diverged at step {step} (loss {loss}): lower learning_rate, now {}",
                self.memory.training.learning_rate
            )));
        }
        self.memory.losses.push(loss);
        if self.memory.training.averaging > 0.0 {
            self.average.update(self.memory.training.averaging, step)?;
        }
        let (training, member) = (&self.memory.training, &self.descent.member);
        let due = (step + 1).is_multiple_of(training.steps.div_ceil(LOOKS)) || step + 1 == training.steps;
        if due && !self.parts.held.is_empty() {
            let (loss, f1) = judge(member, &self.parts.held, training, self.memory.parts)?;
            self.memory.held_out.push(HeldOut { network: self.memory.network(), step: step + 1, loss, f1 });
        }
        Ok(())
    }

    /// Ends the training of one network and, where there are more to come, begins the next.
    fn close(&mut self) -> Result<()> {
        let member = self.averaged()?;
        self.done.push(member);
        self.memory.ends.push(self.memory.losses.len());
        if !self.memory.finished() {
            let (training, device) = (&self.memory.training, self.descent.member.vs.device());
            self.descent = Descent::new(Member::new(training, training.seed_of(self.memory.network()), device)?)?;
            self.average = Average::new(&self.descent.member.vs)?;
            self.next = None;
        }
        Ok(())
    }

    /// A network with the running mean of the weights.
    fn averaged(&self) -> Result<Member> {
        let (training, network) = (&self.memory.training, self.memory.network());
        let seed = training.seed_of(network);
        let member = Member::new(training, seed, self.descent.member.vs.device())?;
        if training.averaging > 0.0 {
            self.average.copy_to(&member.vs)?;
            member.settle(&self.parts.learnt, training, seed, self.memory.parts)?;
        } else {
            Average::new(&self.descent.member.vs)?.copy_to(&member.vs)?;
        }
        Ok(member)
    }

    /// Steps taken so far, by all networks.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.memory.losses.len()
    }

    /// Loss of every step so far.
    #[must_use]
    pub fn losses(&self) -> &[f32] {
        &self.memory.losses
    }

    /// How well each look at the held-out part of the frames found the network.
    #[must_use]
    pub fn held_out(&self) -> &[HeldOut] {
        &self.memory.held_out
    }

    /// A detector of the steps so far. The trainer goes on without touching it.
    ///
    /// # Errors
    /// If no step has been taken.
    pub fn detector(&self) -> Result<Detector> {
        if self.memory.losses.is_empty() {
            return Err(Error::data("no training step has been taken yet: `trainer.run()?` takes them"));
        }
        let mut members = vec![];
        for done in &self.done {
            let copy = Member::new(&self.memory.training, 0, done.vs.device())?;
            Average::new(&done.vs)?.copy_to(&copy.vs)?;
            members.push(copy);
        }
        if self.memory.step() > 0 {
            members.push(self.averaged()?);
        }
        Detector { members, memory: self.memory.clone() }.calibrated(&self.canvases)
    }

    /// A word on the present state.
    fn note(&self) -> String {
        let mut note = format!("loss {:.4}", self.memory.last_losses().0);
        if let Some(last) = self.memory.held_out.last() {
            note.push_str(&format!(", held out: loss {:.4}, F1 {:.2}", last.loss, last.f1));
        }
        note
    }
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (done, all) = (self.steps(), self.memory.all_steps());
        write!(f, "Trainer at {done} of {all} steps")?;
        if done > 0 {
            write!(f, " ({}, mean of the last {})", self.note(), self.memory.last_losses().1)?;
        }
        let device = crate::device::describe(self.descent.member.vs.device());
        write!(f, ", on {}, {device}", self.memory.source)?;
        if let Some(steps) = std::num::NonZeroU32::new(self.timing.steps) {
            let ms = |time: Duration| (time / steps.get()).as_secs_f64() * 1e3;
            let (step, batch) = (ms(self.timing.learning), ms(self.timing.making));
            write!(f, ". A step takes {step:.0} ms, and beside it the next batch {batch:.0} ms")?;
        }
        if self.memory.finished() { Ok(()) } else { f.write_str(": `trainer.run()?` goes on") }
    }
}

#[cfg(test)]
mod tests;
