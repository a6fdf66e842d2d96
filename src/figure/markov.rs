//! Figures of the Markov model: matrices, graphs, a track's life, and what is believed of every site.

use super::kinds::show;
use super::sketch::{BLACK, Shape, Side, Sketch};
use super::{CLASS_COLOURS, ColourMap, Figure, Rgb, Tile, Tiles};
use crate::error::{Result, check};
use crate::markov::{Chain, Corrected, Estimate, Hidden, NOT_DETECTED, Physics, Rates, States, Verdict, Why};
use crate::movie::Frame;
use crate::show::{emit_text, table_html};
use crate::simulate::State;
use ndarray::Array2;

const WHITE: Rgb = (255, 255, 255);
const GREY: Rgb = (150, 150, 150);
/// Probabilities below this are drawn in the lowest colour.
const FAINTEST: f64 = 1e-6;

/// Colours of states: the palette, then the same darker.
fn state_colour(state: usize) -> Rgb {
    let (r, g, b) = CLASS_COLOURS[[6, 0, 2, 4, 1, 5, 3][state % 7]];
    let dark = 1.0 / (1.0 + 0.6 * (state / 7) as f64);
    let part = |v: u8| (f64::from(v) * dark) as u8;
    (part(r), part(g), part(b))
}

/// Level from 0 to 1 of a probability on a logarithmic scale.
fn level(p: f64) -> f32 {
    (1.0 - libm::log10(p.max(FAINTEST)) / libm::log10(FAINTEST)) as f32
}

fn short(p: f64) -> String {
    match p {
        p if p >= 0.9995 => "1".into(),
        p if p >= 0.095 => format!("{p:.2}"),
        p if p >= 0.00095 => format!("{p:.3}").trim_start_matches('0').to_owned(),
        p => format!("{p:.0e}"),
    }
}

fn wide(words: &str) -> f64 {
    8.0 * words.chars().count() as f64
}

/// A matrix of probabilities: rows from, columns to, colours by decades, white where a move is forbidden.
fn heat_map(names: &[String], p: &Array2<f64>, title: &str, alt: String) -> Figure {
    let (names, p, title) = (names.to_vec(), p.clone(), title.to_owned());
    Figure::made(move |width| matrix(&names, &p, &title, width), alt)
}

/// The matrix at a width, or with cells that have room for their numbers.
fn matrix(names: &[String], p: &Array2<f64>, title: &str, width: Option<f64>) -> Sketch {
    let n = names.len();
    let size = if width.is_some_and(|w| w < 500.0) { 10.0 } else { 12.5 };
    let label = names.iter().map(|name| 0.52 * size * name.chars().count() as f64).fold(30.0, f64::max);
    let (left, top, right) = (label + 32.0, label + 46.0, 62.0);
    let natural = (560.0 / n as f64).clamp(26.0, 54.0);
    let cell = width.map_or(natural, |w| ((w - left - right) / n as f64).min(54.0));
    let across = width.unwrap_or(left + cell * n as f64 + right);
    let mut sketch = Sketch { size: (across, top + cell * n as f64 + 14.0), shapes: vec![] };
    let put = |sketch: &mut Sketch, at, words: String, size, colour, side, up| {
        sketch.shapes.push(Shape::Words { at, words, size, colour, side, up });
    };
    sketch.words((8.0, 12.0), title, Side::Left);
    sketch.words((left + 0.5 * cell * n as f64, 32.0), "to", Side::Middle);
    let at = (12.0, top + 0.5 * cell * n as f64);
    put(&mut sketch, at, "from".into(), 12.5, BLACK, Side::Middle, true);
    for (i, name) in names.iter().enumerate() {
        let middle = (i as f64 + 0.5) * cell;
        put(&mut sketch, (left - 6.0, top + middle), name.clone(), size, BLACK, Side::Right, false);
        put(&mut sketch, (left + middle, top - 6.0), name.clone(), size, BLACK, Side::Left, true);
    }
    for ((i, j), &p) in p.indexed_iter() {
        let (x, y) = (left + j as f64 * cell, top + i as f64 * cell);
        let fill = if p > 0.0 { ColourMap::Viridis.rgb(level(p)) } else { (240, 240, 240) };
        sketch.shapes.push(Shape::Box { at: [x, y, cell - 1.0, cell - 1.0], fill });
        if p > 0.0 && cell >= 34.0 {
            // Black that no theme changes.
            let colour = if level(p) > 0.6 { (0, 0, 0) } else { WHITE };
            let words = short(p);
            let size = if words.len() > 4 { 10.0 } else { 11.5 };
            put(&mut sketch, (x + 0.5 * cell, y + 0.5 * cell), words, size, colour, Side::Middle, false);
        }
    }
    let (x, high) = (left + cell * n as f64 + 14.0, (cell * n as f64).min(220.0));
    for step in 0..60 {
        let from = top + high * f64::from(step) / 60.0;
        let fill = ColourMap::Viridis.rgb(1.0 - step as f32 / 59.0);
        sketch.shapes.push(Shape::Box { at: [x, from, 12.0, high / 60.0 + 0.6], fill });
    }
    for decade in [0, 2, 4, 6] {
        let words = if decade == 0 { "1".into() } else { format!("1e-{decade}") };
        put(&mut sketch, (x + 16.0, top + high * f64::from(decade) / 6.0), words, 10.5, BLACK, Side::Left, false);
    }
    sketch
}

/// What stands around a state's place, as a small drawing.
fn glyph(sketch: &mut Sketch, (x, y): (f64, f64), radius: f64, state: Option<State>, fill: Rgb) {
    sketch.shapes.push(Shape::Disc { at: (x, y), radius, fill: Some(WHITE), line: fill });
    let sulphur = CLASS_COLOURS[0];
    let atom = |at: (f64, f64), r: f64, fill: Option<Rgb>| Shape::Disc { at, radius: r, fill, line: BLACK };
    match state {
        Some(State::Dopant { vacant }) => {
            for k in 0..3 {
                let angle = std::f64::consts::TAU * (f64::from(k) / 3.0 - 0.25);
                let at = (x + 0.6 * radius * libm::cos(angle), y + 0.6 * radius * libm::sin(angle));
                sketch.shapes.push(Shape::Line { points: vec![(x, y), at], colour: GREY, width: 1.5 });
                let there = (vacant >> k) & 1 == 0;
                sketch.shapes.push(atom(at, 0.2 * radius, Some(if there { sulphur } else { WHITE })));
            }
            sketch.shapes.push(atom((x, y), 0.26 * radius, Some(CLASS_COLOURS[2])));
        }
        Some(State::Vacancy { missing, .. }) => {
            let fill = if missing == 1 { (247, 217, 153) } else { WHITE };
            for k in 0..3 {
                let angle = std::f64::consts::TAU * (f64::from(k) / 3.0 + 0.25);
                let at = (x + 0.6 * radius * libm::cos(angle), y + 0.6 * radius * libm::sin(angle));
                sketch.shapes.push(Shape::Line { points: vec![(x, y), at], colour: GREY, width: 1.5 });
                sketch.shapes.push(atom(at, 0.24 * radius, Some(CLASS_COLOURS[6])));
            }
            sketch.shapes.push(atom((x, y), 0.24 * radius, Some(fill)));
        }
        Some(State::HostVacancy) => sketch.shapes.push(atom((x, y), 0.3 * radius, None)),
        _ => sketch.shapes.push(atom((x, y), 0.4 * radius, Some(fill))),
    }
}

impl Chain {
    /// The matrix as a heat map: rows from, columns to, on a logarithmic scale; grey where nothing leads.
    #[must_use]
    pub fn figure(&self) -> Figure {
        heat_map(
            &self.names,
            &self.probabilities,
            &format!("probability in {} s", self.interval_s),
            format!("{self:?}"),
        )
    }

    /// The chain as a graph: the states with what they are made of (bonded columns; empty circles are vacant), an arrow for
    /// every change that is more probable than `least` in a step, the broader the more probable.
    #[must_use]
    pub fn graph(&self, states: &States, least: f64) -> Figure {
        let n = self.len();
        let (middle, ring, radius) = ((330.0, 250.0), (168.0, 175.0), 28.0);
        let mut sketch = Sketch { size: (660.0, 510.0), shapes: vec![] };
        let place = |i: usize| {
            let angle = std::f64::consts::TAU * (i as f64 / n as f64 - 0.25);
            (middle.0 + ring.0 * libm::cos(angle), middle.1 + ring.1 * libm::sin(angle))
        };
        sketch.words((8.0, 12.0), format!("changes in {} s, those above {least:.0e}", self.interval_s), Side::Left);
        let mut arrows = vec![];
        for ((i, j), &p) in self.probabilities.indexed_iter().filter(|((i, j), p)| i != j && **p > least) {
            let (a, b) = (place(i), place(j));
            let far = libm::hypot(b.0 - a.0, b.1 - a.1);
            let (ux, uy) = ((b.0 - a.0) / far, (b.1 - a.1) / far);
            // To the right of the way, so that there and back are two arrows.
            let aside = 6.0;
            let (start, end) = (radius + 3.0, far - radius - 4.0);
            let on = |along: f64, off: f64| (a.0 + ux * along - uy * off, a.1 + uy * along + ux * off);
            let colour = ColourMap::Viridis.rgb(0.85 * level(p));
            let width = 1.0 + 4.0 * f64::from(level(p));
            sketch.shapes.push(Shape::Line { points: vec![on(start, aside), on(end - 8.0, aside)], colour, width });
            let head = vec![
                on(end, aside),
                on(end - 11.0, aside - 4.0 - width / 2.0),
                on(end - 11.0, aside + 4.0 + width / 2.0),
            ];
            sketch.shapes.push(Shape::Area { points: head, fill: colour });
            arrows.push(Arrow { from: on(start, aside), to: on(end, aside), width, words: short(p) });
        }
        let nodes: Vec<(Pair, f64)> = (0..n).map(|i| (place(i), radius)).collect();
        let mut taken = vec![];
        for arrow in &arrows {
            let at = arrow.label(&arrows, &nodes, &taken);
            taken.push((at, arrow.label_size()));
            let words = arrow.words.clone();
            sketch.shapes.push(Shape::Words { at, words, size: LABEL, colour: BLACK, side: Side::Middle, up: false });
        }
        for (i, name) in self.names.iter().enumerate() {
            let state = states.index(name).ok().and_then(|s| states.kinds[s].configurations.first().copied());
            glyph(&mut sketch, place(i), radius, state, state_colour(i));
            // Outside of the ring, where no arrow is.
            let (x, y) = place(i);
            let (across, down) = ((x - middle.0) / ring.0, (y - middle.1) / ring.1);
            match across {
                a if a > 0.4 => sketch.words((x + radius + 5.0, y), name, Side::Left),
                a if a < -0.4 => sketch.words((x - radius - 5.0, y), name, Side::Right),
                _ => sketch.words((x, y + (radius + 11.0) * down.signum()), name, Side::Middle),
            }
        }
        Figure::sketch(sketch, format!("{self:?}"))
    }

    /// Shows the chain in a notebook: what it is in one line, and its matrix.
    pub fn evcxr_display(&self) {
        let whole = format!("{self:?}");
        show(whole.lines().next().unwrap_or_default(), "", &[Ok(self.figure())]);
    }
}

/// Letters beside arrows, in CSS pixels.
const LABEL: f64 = 10.5;

/// A place and a size in CSS pixels.
type Pair = (f64, f64);

/// An arrow of a graph, and what stands beside it.
struct Arrow {
    from: (f64, f64),
    to: (f64, f64),
    width: f64,
    words: String,
}

impl Arrow {
    fn label_size(&self) -> (f64, f64) {
        (super::font::Font::embedded().width(&self.words, LABEL) + 4.0, LABEL + 2.0)
    }

    /// Where its label lies free: beside the arrow's own line, on no other, no state and no other label; where there is no
    /// such place, where it meets the fewest.
    fn label(&self, arrows: &[Arrow], states: &[(Pair, f64)], labels: &[(Pair, Pair)]) -> Pair {
        let (w, h) = self.label_size();
        let (dx, dy) = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let long = libm::hypot(dx, dy).max(1e-9);
        let (nx, ny) = (-dy / long, dx / long);
        let meets = |at: (f64, f64)| {
            let holds = |p: Pair, by: f64| (p.0 - at.0).abs() < w / 2.0 + by && (p.1 - at.1).abs() < h / 2.0 + by;
            let on_arrow = |arrow: &&Arrow| {
                let steps = 40;
                let along = |k: i32| f64::from(k) / f64::from(steps);
                let point = |t: f64| {
                    (arrow.from.0 + t * (arrow.to.0 - arrow.from.0), arrow.from.1 + t * (arrow.to.1 - arrow.from.1))
                };
                (0..=steps).any(|k| {
                    holds(point(along(k)), if k > steps - 4 { 5.0 + arrow.width } else { 1.0 + arrow.width / 2.0 })
                })
            };
            let on_label =
                |((x, y), (a, b)): &&(Pair, Pair)| (x - at.0).abs() < (a + w) / 2.0 && (y - at.1).abs() < (b + h) / 2.0;
            let on_state = |(place, radius): &&(Pair, f64)| holds(*place, *radius);
            arrows.iter().filter(on_arrow).count()
                + labels.iter().filter(on_label).count()
                + states.iter().filter(on_state).count()
        };
        // To the right of the way, where there and back do not share; then to the left, then farther off.
        let beside = 2.0 + self.width / 2.0 + nx.abs() * w / 2.0 + ny.abs() * h / 2.0;
        let places = [1.0, -1.0, 1.5, -1.5].into_iter().flat_map(|side| {
            [0.4, 0.5, 0.6, 0.3, 0.7, 0.2, 0.8]
                .map(|t| (self.from.0 + t * dx + side * beside * nx, self.from.1 + t * dy + side * beside * ny))
        });
        places.map(|at| (meets(at), at)).reduce(|a, b| if b.0 < a.0 { b } else { a }).map_or(self.from, |best| best.1)
    }
}

impl Estimate {
    /// The estimated matrix as a heat map.
    #[must_use]
    pub fn figure(&self) -> Figure {
        self.chain.figure()
    }

    /// Shows the estimate in a notebook.
    pub fn evcxr_display(&self) {
        match self.table() {
            Ok(table) => show(&format!("{self:?}"), &table_html(&table), &[Ok(self.figure())]),
            Err(problem) => emit_text("text/plain", &problem.to_string()),
        }
    }
}

impl Corrected {
    /// A track's life: the probability of each state in each frame as a ribbon, the most probable path below it, and
    /// below that what was seen (dark is sure; × where nothing was detected).
    ///
    /// # Errors
    /// If there is no such track.
    pub fn life(&self, track: u32) -> Result<Figure> {
        let found = self.readings.iter().find(|r| r.track == track);
        check("track", track, found.is_some(), format!("one of the {} tracks", self.readings.len()))?;
        let Some(reading) = found else { return Ok(self.model.chain.figure()) };
        let (names, symbols) = (&self.model.chain.names, &self.model.symbols);
        let (frames, n) = reading.posterior.dim();
        let used: Vec<usize> = (0..n).filter(|&s| reading.posterior.column(s).iter().any(|p| *p > 0.02)).collect();
        let seen: Vec<usize> = (0..symbols.len())
            .filter(|&c| symbols[c] != NOT_DETECTED && reading.observed.column(c).iter().any(|w| *w > 0.02))
            .collect();
        let label = names.iter().chain(symbols).map(|s| wide(s)).fold(80.0, f64::max);
        let (left, step) = (label + 14.0, (540.0 / frames as f64).min(26.0));
        let (top, high, path, row) = (34.0, 110.0, 16.0, 18.0);
        let evidence = top + high + path + 22.0;
        let bottom = evidence + row * seen.len() as f64;
        let legend = bottom + 46.0;
        let across = (left + step * frames as f64 + 20.0).max(420.0);
        let mut sketch = Sketch { size: (across, legend + 20.0 * used.len().div_ceil(3) as f64 + 4.0), shapes: vec![] };
        sketch.words((8.0, 14.0), format!("track {track}"), Side::Left);
        for (y, words) in [(top + high / 2.0, "probability"), (top + high + path / 2.0 + 4.0, "path")] {
            sketch.words((left - 8.0, y), words, Side::Right);
        }
        for t in 0..frames {
            let x = left + t as f64 * step;
            let mut y = top;
            for s in 0..n {
                let h = high * reading.posterior[[t, s]];
                sketch.shapes.push(Shape::Box { at: [x, y, step + 0.5, h], fill: state_colour(s) });
                y += h;
            }
            sketch
                .shapes
                .push(Shape::Box { at: [x, top + high + 4.0, step + 0.5, path], fill: state_colour(reading.path[t]) });
            for (r, &c) in seen.iter().enumerate() {
                let grey = (255.0 - 215.0 * reading.observed[[t, c]].clamp(0.0, 1.0)) as u8;
                let at = [x, evidence + r as f64 * row, step - 0.5, row - 2.0];
                sketch.shapes.push(Shape::Box { at, fill: (grey, grey, grey) });
            }
            if reading.rows[t].is_none() {
                let at = (x + step / 2.0, evidence - 9.0);
                sketch.shapes.push(Shape::Words {
                    at,
                    words: "×".into(),
                    size: 12.5,
                    colour: BLACK,
                    side: Side::Middle,
                    up: false,
                });
            }
            let every = (40.0 / step).ceil() as usize;
            if t % every.max(1) == 0 {
                sketch.words(
                    (x + step / 2.0, bottom + 10.0),
                    (reading.first_frame as usize + t).to_string(),
                    Side::Middle,
                );
            }
        }
        for (r, &c) in seen.iter().enumerate() {
            sketch.words(
                (left - 8.0, evidence + (r as f64 + 0.5) * row - 1.0),
                format!("seen {}", symbols[c]),
                Side::Right,
            );
        }
        sketch.words((left + 0.5 * step * frames as f64, bottom + 27.0), "frame", Side::Middle);
        for (i, &s) in used.iter().enumerate() {
            let (x, y) = (12.0 + (across / 3.0) * (i % 3) as f64, legend + 20.0 * (i / 3) as f64);
            sketch.shapes.push(Shape::Box { at: [x, y, 14.0, 12.0], fill: state_colour(s) });
            sketch.words((x + 19.0, y + 6.0), &names[s], Side::Left);
        }
        Ok(Figure::sketch(sketch, format!("{:?}: track {track}", self)))
    }

    /// Shows the tracks in a notebook: what was changed, the table, and the life of the track that was changed most.
    pub fn evcxr_display(&self) {
        let doubt = |r: &crate::markov::Reading| {
            r.posterior.rows().into_iter().map(|row| 1.0 - row.iter().copied().fold(0.0, f64::max)).sum::<f64>()
        };
        let most = self.readings.iter().max_by(|a, b| doubt(a).total_cmp(&doubt(b))).map(|r| self.life(r.track));
        show(&format!("{self:?}"), &table_html(&self.table), &most.into_iter().collect::<Vec<_>>());
    }
}

/// A frame, and beside it how probable something is at every site: `places` are the sites in pixels `(y, x)`,
/// `radius_px` about half of their distance.
///
/// ```
/// use atomotion::figure::site_map;
/// use atomotion::movie::Frame;
/// let frame = atomotion::simulate::Ws2::default().with_size_px(64).simulate(1)?.movie.frame(0)?;
/// let figure = site_map(&frame, &[(20.0, 20.0), (40.0, 30.0)], &[0.9, 0.1], 5.0, "V_2S")?;
/// assert!(figure.to_svg()?.contains("V_2S"));
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// # Errors
/// If there are not as many probabilities as places, or one is not from 0 to 1.
pub fn site_map(
    frame: &Frame,
    places: &[(f64, f64)],
    probability: &[f64],
    radius_px: f64,
    what: &str,
) -> Result<Figure> {
    check(
        "probability",
        format!("{} numbers", probability.len()),
        probability.len() == places.len(),
        format!("{}, one a site", places.len()),
    )?;
    check("radius_px", radius_px, radius_px > 0.0 && radius_px < 1e4, "a positive number of pixels")?;
    for &p in probability {
        check("probability", p, (-1e-6..=1.0 + 1e-6).contains(&p), "from 0 to 1")?;
    }
    let map = discs(frame.data.dim(), places, probability, radius_px);
    let left = super::kinds::tile(frame, super::kinds::caption(frame));
    let right =
        Tile { range: (0.0, 1.0), bar: Some(""), ..Tile::new(map, format!("probability of {what} at each site")) };
    let tiles = Tiles { tiles: vec![left, right], columns: 2, side: 330.0, colours: ColourMap::Grey, legend: vec![] };
    Ok(Figure::tiles(
        tiles,
        format!("{}: probability of {what} at {} sites", super::kinds::caption(frame), places.len()),
    ))
}

/// A disc at each place, as bright as it is probable.
pub(super) fn discs((rows, columns): (usize, usize), places: &[(f64, f64)], p: &[f64], radius_px: f64) -> Array2<f32> {
    let mut map = Array2::<f32>::zeros((rows, columns));
    for (&(y, x), &p) in places.iter().zip(p) {
        let range =
            |c: f64, n: usize| (c - radius_px).max(0.0) as usize..((c + radius_px + 1.0).max(0.0) as usize).min(n);
        for r in range(y, rows) {
            for c in range(x, columns) {
                if libm::hypot(r as f64 - y, c as f64 - x) <= radius_px {
                    map[[r, c]] = map[[r, c]].max(p as f32);
                }
            }
        }
    }
    map
}

macro_rules! shown_as_text {
    ($($kind:ty),*) => {
        $(
            impl $kind {
                /// Shows itself in a notebook.
                pub fn evcxr_display(&self) {
                    emit_text("text/plain", &format!("{self:?}"));
                }
            }
        )*
    };
}
shown_as_text!(Hidden, States, Verdict, Why, Rates);

impl Physics {
    /// Shows the physics in a notebook: its energies, and the probabilities of 5 s.
    pub fn evcxr_display(&self) {
        match (self.energies.table(), self.chain(5.0)) {
            (Ok(table), Ok(chain)) => show(
                &format!("{} states, {} moves", self.states.len(), self.moves.len()),
                &table_html(&table),
                &[Ok(chain.figure())],
            ),
            (Err(problem), _) | (_, Err(problem)) => emit_text("text/plain", &problem.to_string()),
        }
    }
}
