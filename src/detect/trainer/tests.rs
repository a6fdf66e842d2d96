//! Faults of a training under way.

use super::*;
use crate::detect::PeriodicityBreak;
use crate::detect::descent::ROOM;
use crate::simulate::Ws2;

/// A device that holds so many crops, as long as this lives.
struct Room;

impl Room {
    fn of(crops: usize) -> Room {
        ROOM.set(Some(crops));
        Room
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        ROOM.set(None);
    }
}

fn trainer(training: &Training) -> Trainer {
    let movie = Ws2::default().with_size_px(128).with_vacancy_fraction(0.02).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    Trainer::new(&[labels], training, Device::Cpu).unwrap()
}

#[test]
fn a_training_that_diverges_says_so() {
    let mut trainer = trainer(&Training::default().with_steps(5).with_batch(2));
    trainer.step().unwrap();
    let mut weight = trainer.descent.member.vs.trainable_variables().remove(0);
    let _ = tch::no_grad(|| weight.fill_(f64::NAN));
    let said = trainer.run_with(&mut ()).unwrap_err().to_string();
    assert!(said.contains("diverged at step 1") && said.contains("learning_rate"), "{said}");
}

/// A device that holds four crops of sixteen: the batch is taken in four parts, the step is not lost, and the
/// gradients add up to nearly the same training (statistics of a batch are those of its parts).
#[test]
fn a_batch_that_does_not_fit_is_taken_in_parts() {
    let training = Training::default().with_steps(4);
    let (mut small, mut large) = (trainer(&training), trainer(&training));
    {
        let _room = Room::of(4);
        small.run_with(&mut ()).unwrap();
    }
    large.run_with(&mut ()).unwrap();
    assert_eq!((small.memory.parts, large.memory.parts), (4, 1));
    for (a, b) in small.losses().iter().zip(large.losses()) {
        assert!((a - b).abs() < 0.2 * b, "{:?} {:?}", small.losses(), large.losses());
    }
}

/// The looks at what is held out and the averaged network find out by themselves that a batch does not fit. The first are as
/// they would be with all the room there is, the second nearly.
#[test]
fn looks_and_averages_that_do_not_fit_are_taken_in_parts() {
    let mut trainer = trainer(&Training::default().with_steps(4).with_held_out(0.3));
    (0..3).for_each(|_| trainer.step().unwrap()); // what is finished is not averaged again
    let (member, training, held) = (&trainer.descent.member, &trainer.memory.training, &trainer.parts.held);
    assert_eq!(trainer.memory.parts, 1);
    let (loss, f1) = judge(member, held, training, 1).unwrap();
    let weights = |detector: Detector| detector.members[0].weights().unwrap();
    let whole = weights(trainer.detector().unwrap());
    let _room = Room::of(5);
    let (in_parts, f1_in_parts) = judge(member, held, training, 1).unwrap();
    assert!((loss - in_parts).abs() < 1e-5 * loss, "{loss} {in_parts}");
    assert_eq!(f1, f1_in_parts);
    let parted = weights(trainer.detector().unwrap());
    for (name, (_, values)) in &whole {
        let same = name.ends_with("running_mean") || name.ends_with("running_var") || parted[name].1 == *values;
        assert!(same, "{name}");
    }
    assert_ne!(whole, parted, "statistics of smaller batches are others");
}

/// Where not even one crop fits, the error is what libtorch said.
#[test]
fn a_device_without_room_is_told() {
    let mut trainer = trainer(&Training::default().with_steps(4).with_batch(4));
    let _room = Room::of(0);
    let said = trainer.run_with(&mut ()).unwrap_err().to_string();
    assert!(said.contains("out of memory"), "{said}");
}
