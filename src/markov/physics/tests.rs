//! The physics: balance, conservation, bad input.

use super::*;

/// Weights of states for which every pair of rates balances, from the rates themselves; none where a cycle does not
/// close (Kolmogorov's criterion).
fn balanced(q: &Array2<f64>) -> Option<Vec<f64>> {
    let n = q.nrows();
    let mut weight = vec![0.0; n];
    for start in 0..n {
        if weight[start] > 0.0 {
            continue;
        }
        weight[start] = 1.0;
        let mut open = vec![start];
        while let Some(i) = open.pop() {
            for j in (0..n).filter(|&j| j != i && q[[i, j]] > 0.0) {
                let w = weight[i] * q[[i, j]] / q[[j, i]];
                if weight[j] == 0.0 {
                    weight[j] = w;
                    open.push(j);
                } else if (weight[j] / w - 1.0).abs() > 1e-9 {
                    return None;
                }
            }
        }
    }
    Some(weight)
}

#[test]
fn thermal_moves_balance_in_detail() {
    for temperature in [300.0, 900.0] {
        let mut physics = Physics::ws2().with_temperature_k(temperature);
        // Knock-outs have no way back: without them.
        physics.moves.retain(|m| !matches!(m.process, Process::KnockOut | Process::Opens));
        let generator = physics.generator().unwrap();
        for part in [&generator.thermal, &generator.beam] {
            let weights = balanced(part).expect("detailed balance");
            // Boltzmann: two turned complexes are as probable as each other; a bound vacancy more by its binding.
            let at = |name: &str| weights[physics.states.index(name).unwrap()];
            assert!((at("Mo_W+V_S/0") / at("Mo_W+V_S/2") - 1.0).abs() < 1e-9);
            let c = physics.fraction();
            let bound = libm::exp(0.06 / physics.kt_ev()) * c / (1.0 - c);
            assert!((at("Mo_W+V_S/1") / at("Mo_W") / bound - 1.0).abs() < 1e-9, "{temperature}");
        }
    }
}

#[test]
fn forbidden_moves_are_zeros_and_mo_stays() {
    let generator = Physics::ws2().generator().unwrap();
    let chain = generator.chain(5.0).unwrap();
    let states = States::ws2();
    for (i, from) in states.kinds.iter().enumerate() {
        for (j, to) in states.kinds.iter().enumerate() {
            if from.lacks.get("Mo") != to.lacks.get("Mo") && to.name != "hole" {
                assert_eq!(
                    (generator.rates()[[i, j]], chain.probabilities[[i, j]]),
                    (0.0, 0.0),
                    "{} -> {}",
                    from.name,
                    to.name
                );
            }
        }
    }
    assert!(generator.rates().sum().abs() < 1e-12);
    assert_eq!(generator.rate("V_W", "W_ad").unwrap(), 0.0);
}

#[test]
fn conservation_is_checked() {
    let says = |step: PhysicalMove| Physics::ws2().allow(step).generator().unwrap_err().to_string();
    let hop = says(PhysicalMove::new("V_S", "V_2S", Process::Hops, 1.0));
    assert!(hop.contains("S") && hop.contains("conserve"), "{hop}");
    let gone = says(PhysicalMove::new("Mo_W", "V_W", Process::KnockOut, 1.0));
    assert!(gone.contains("Mo"), "{gone}");
    assert!(says(PhysicalMove::new("Mo_W", "V_Se", Process::Hops, 1.0)).contains("V_Se"));
    assert!(says(PhysicalMove::new("V_S", "V_S@Mo_W", Process::Hops, -1.0)).contains("ways"));
}

#[test]
fn bad_physics_is_named() {
    let says = |physics: Physics| physics.generator().unwrap_err().to_string();
    assert!(says(Physics::ws2().with_temperature_k(0.0)).contains("temperature_k"));
    assert!(says(Physics::ws2().with_hop_barn(-1.0)).contains("hop_barn"));
    assert!(says(Physics::ws2().with_vacancy_fraction(Some(1.0))).contains("vacancy_fraction"));
    assert!(
        says(Physics::ws2().with_energies(Energies::default().with_binding_ev(vec![]))).contains("binding in shell 0")
    );
    let twice = Physics::ws2();
    let again = twice.moves[0].clone();
    let mut twice = twice;
    twice.moves.push(again);
    assert!(says(twice).contains("twice"));
}

#[test]
fn without_vacancies_around_none_comes_and_without_a_beam_nothing_moves() {
    let none = Physics::ws2().with_vacancy_fraction(Some(0.0)).generator().unwrap();
    let comes = none.rate("Mo_W", "Mo_W+V_S/0").unwrap();
    let knocked = 2.0 * Beam::default().displacement_barn(16, 7.0).unwrap() * 1e-10 * 2e4;
    assert!((comes / knocked - 1.0).abs() < 1e-9, "what is left is the knock-out of one of two S");
    let still = Physics::ws2().with_beam(Beam::default().with_dose_rate_e_nm2_s(0.0)).generator().unwrap();
    assert!(still.rates().iter().all(|r| r.abs() < 1e-15));
    let equilibrium = Physics::ws2().with_vacancy_fraction(None).fraction();
    assert!(equilibrium < 1e-20);
}

#[test]
fn complexes_turn_less_where_dopants_and_pairs_are_many() {
    let of = |dopant: f64, single: f64, double: f64| {
        let composition = Composition::default().with_dopant(dopant).with_single(single).with_double(double);
        turning(&composition, 2.0)
    };
    assert!((of(1e-9, 0.01, 0.0) - 1.0).abs() < 1e-6, "a complex by itself");
    assert!(of(1e-9, 0.0, 0.01).abs() < 1e-6, "columns that lack both");
    assert!(of(0.05, 0.01, 0.0) < of(0.02, 0.01, 0.0) && of(0.02, 0.01, 0.01) < of(0.02, 0.01, 0.0));
    assert_eq!(of(0.02, 0.0, 0.0), 1.0);
    assert!(Physics::ws2().with_turning(1.5).generator().unwrap_err().to_string().contains("turning"));
}
