//! The figure and the words of a drift.

use super::*;

#[test]
fn a_drift_says_how_far_and_how_sure() {
    let shifts: Vec<[f64; 2]> = (0..5).map(|t| [0.5 * f64::from(t), -f64::from(t)]).collect();
    let known = MeasuredDrift::known(&shifts, Calibration::new(0.03, 1.0).unwrap()).unwrap();
    let words =
        "Drift of 5 frames: y 2.00 px, x -4.00 px from first to last (0.060 nm, -0.120 nm), 4.5 px along its path";
    assert_eq!(format!("{known:?}"), words);
    let x_nm = known.table().column("x_nm").unwrap().f64().unwrap().get(4).unwrap();
    assert!((x_nm + 0.12).abs() < 1e-12);
    let doubtful = Found { shift: [0.0; 2], quality: 0.5, margin: 1.0, sigma: [0.1; 2] };
    let unsure = MeasuredDrift::new(&[doubtful], Calibration::default()).unwrap();
    assert!(format!("{unsure:?}").ends_with("1 of them may be a lattice period off (margin below 5)"), "{unsure:?}");
    assert!(MeasuredDrift::known(&[[f64::NAN, 0.0]], Calibration::default()).is_err());
    let svg = known.figure().to_svg().unwrap();
    for words in ["frame", "way of the specimen (nm)", "y (down)", "x (right)"] {
        assert!(svg.contains(words), "{words}");
    }
}
