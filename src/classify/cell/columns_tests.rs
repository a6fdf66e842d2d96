//! Cells whose every column is known.

use super::*;

/// Planted columns are found where they are, and a patch with other heights and places says so.
#[test]
fn planted_columns_are_found() {
    let planted = |dark: f64, by: f64| {
        let mut columns = vec![];
        for i in -1..=3 {
            for j in -1..=3 {
                let height = if (i, j) == (1, 1) { dark } else { 1.0 + 0.3 * ((i + j) % 2) as f64 };
                columns.push([height, 4.3 + 8.0 * f64::from(i), 5.1 + 8.0 * f64::from(j)]);
            }
        }
        // The neighbours of the dark one come nearer.
        for c in &mut columns {
            let (dy, dx) = (c[1] - 12.3, c[2] - 13.1);
            let r = dy.hypot(dx);
            if (7.0..9.0).contains(&r) {
                c[1] -= by * dy / r;
                c[2] -= by * dx / r;
            }
        }
        Columns { shared: [0.2, 1.6, 3.4, 0.15], columns, beyond: vec![] }.image((27, 27)).mapv(|v| v as f32)
    };
    let perfect = planted(1.0, 0.0);
    let fitted = Columns::fit(&perfect, 0.0).unwrap();
    let inner = fitted.inner((27, 27));
    assert!(inner.len() >= 9, "{fitted:?}");
    // Tails of columns beyond the border, which the fit does not know of, move those in the corners by 0.05 pixels.
    let close = |c: &[f64; 3]| {
        let off = |v: f64, from: f64| ((v - from) / 8.0 - ((v - from) / 8.0).round()).abs() * 8.0;
        off(c[1], 4.3) < 0.08 && off(c[2], 5.1) < 0.08
    };
    assert!(inner.iter().all(|&i| close(&fitted.columns[i])), "{fitted:?}");
    for (dark, by) in [(0.5, 0.0), (0.5, 0.1)] {
        let other = planted(dark, by);
        let each = |image: &Array2<f32>| {
            fitted.each(image.view().into_shape_with_order((1, 27 * 27)).unwrap(), (27, 27)).unwrap()
        };
        let ((found, heights), (none, same)) = (each(&other), each(&perfect));
        let (found, heights) = (found - none, heights - same);
        for &i in &inner {
            let [_, y, x] = fitted.columns[i];
            let (dy, dx) = (y - 12.3, x - 13.1);
            let r = dy.hypot(dx);
            let expected = if (7.0..9.0).contains(&r) { -by } else { 0.0 };
            let along = if r > 1.0 { (found[[0, 2 * i]] * dy + found[[0, 2 * i + 1]] * dx) / r } else { 0.0 };
            println!("{i} {r:.1}: {along:.4} {expected}");
            // A step of a hundredth of a pixel is what one linear step leaves at these displacements.
            assert!((along - expected).abs() < 0.01, "{i}: {along} {expected}");
            if r < 1.0 {
                assert!((heights[[0, i]] - (dark - 1.0)).abs() < 0.15, "{}", heights[[0, i]]);
            }
        }
    }
}

/// Light columns in the tails of heavy ones, as in WS2: all whole ones are found, and a darker middle moves none.
#[test]
fn light_columns_are_found() {
    let cell = |dark: f64, by: f64| {
        let mut columns = vec![];
        for v in -3..=3 {
            for u in -3..=3 {
                let (u, v) = (f64::from(u), f64::from(v));
                let at = |u: f64, v: f64| (13.6 + 8.66 * v, 13.4 + 10.0 * (u + 0.5 * v));
                let (y, x) = at(u, v);
                columns.push([if (u, v) == (0.0, 0.0) { dark } else { 1.0 }, y, x]);
                let (y, x) = at(u + 1.0 / 3.0, v + 1.0 / 3.0);
                let (dy, dx) = (y - 13.6, x - 13.4);
                let r = dy.hypot(dx);
                let by = if r < 6.5 { by / r } else { 0.0 };
                columns.push([0.15, y + by * dy, x + by * dx]);
            }
        }
        Columns { shared: [0.3, 1.85, 3.66, 0.156], columns, beyond: vec![] }.image((28, 28)).mapv(|v| v as f32)
    };
    let perfect = cell(1.0, 0.0);
    let fitted = Columns::fit(&perfect, 0.0).unwrap();
    let inner = fitted.inner((28, 28));
    println!("{:?} {:?} {:?}", fitted.shared, fitted.columns, fitted.beyond.len());
    let light = inner.iter().filter(|&&i| fitted.columns[i][0] < 0.5).count();
    assert!(light >= 3 && inner.len() - light >= 7, "{light} of {}: {fitted:?}", inner.len());
    let each =
        |image: &Array2<f32>| fitted.each(image.view().into_shape_with_order((1, 784)).unwrap(), (28, 28)).unwrap().0;
    let none = each(&perfect);
    for by in [0.0, -0.06] {
        let found = each(&cell(0.38, by)) - &none;
        for &i in &inner {
            let [height, y, x] = fitted.columns[i];
            let (dy, dx) = (y - 13.6, x - 13.4);
            let r = dy.hypot(dx);
            if r > 1.0 {
                let along = (found[[0, 2 * i]] * dy + found[[0, 2 * i + 1]] * dx) / r;
                println!("{height:.3} {r:.2} {along:.4}");
                let expected = if r < 6.5 { by } else { 0.0 };
                assert!((along - expected).abs() < 0.012, "{i} at {r}: {along}, not {expected}");
            }
        }
    }
}
