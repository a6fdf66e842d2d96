//! Faults of a training under way.

use super::*;
use crate::detect::PeriodicityBreak;
use crate::simulate::Ws2;

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
    small.descent.room = Some(4);
    small.run_with(&mut ()).unwrap();
    large.run_with(&mut ()).unwrap();
    assert_eq!((small.memory.parts, large.memory.parts), (4, 1));
    for (a, b) in small.losses().iter().zip(large.losses()) {
        assert!((a - b).abs() < 0.2 * b, "{:?} {:?}", small.losses(), large.losses());
    }
}

/// Where not even one crop fits, the error is what libtorch said.
#[test]
fn a_device_without_room_is_told() {
    let mut trainer = trainer(&Training::default().with_steps(4).with_batch(4));
    trainer.descent.room = Some(0);
    assert!(trainer.run_with(&mut ()).unwrap_err().to_string().contains("out of memory"));
}
