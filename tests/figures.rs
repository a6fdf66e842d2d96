//! Figures are drawn, the same each time, with what they must show.

use atomotion::prelude::*;

#[test]
fn labels_as_svg_and_png() {
    let movie = Ws2::default().with_size_px(96).with_mo_fraction(0.05).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let figure = labels.figure();
    let svg = figure.to_svg().unwrap();
    assert!(svg.contains("<image") && svg.contains("nm</text>".trim_end_matches("</text>")), "image and scale bar");
    assert!(svg.matches("<circle").count() >= 2 * labels.regions.len(), "a ring and its outline for each label");
    assert_eq!(svg, figure.to_svg().unwrap());
    let png = figure.to_png(2.0).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let (width, height) = figure.size();
    assert_eq!((reader.info().width, reader.info().height), (2 * width, 2 * height));
}

#[test]
fn every_figure_is_more_than_paper() {
    let movie = Ws2::default().with_size_px(128).with_frames(3).with_mo_fraction(0.05).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let detector = Detector::train(&labels, &Training::default().with_steps(120)).unwrap();
    let defects = detector.find_with(&movie, &Decoding::default().with_threshold(0.05), &mut ()).unwrap();
    let components = Pca::new(4).fit(&defects).unwrap();
    let classes = KMeans::new(2).fit(&defects).unwrap();
    let evidence = Evidence::default().with_surrogates(20).with_marked_fraction(0.05);
    let figures = [
        movie.figure().unwrap(),
        detector.figure(),
        defects.counts_figure().unwrap(),
        defects.figure(&movie.frame(1).unwrap()).unwrap(),
        classes.defects.figure(&movie.frame(2).unwrap()).unwrap(),
        classes.figure(),
        components.figure(),
        components.patches_figure(),
        evidence.split_half(&movie.frame(0).unwrap()).unwrap().figure(),
    ];
    for figure in figures {
        let png = figure.to_png(1.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let ink = pixels.iter().filter(|&&v| v < 200).count();
        assert!(ink > pixels.len() / 200, "{figure:?} is nearly blank");
        assert!(figure.to_svg().unwrap().ends_with("</svg>\n"), "{figure:?}");
    }
}

#[test]
fn frames_are_drawn_beside_each_other() {
    let texture = |dose: f64| {
        let movie = Ws2::default().with_size_px(96).with_dose(dose).simulate(3).unwrap().movie;
        Texture::of(&movie.frame(0).unwrap()).unwrap()
    };
    let figures = texture(5.0).figures(&texture(50.0));
    for (figure, word) in figures.iter().zip(["along x", "along y", "pixels away", "standard deviations"]) {
        let svg = figure.to_svg().unwrap();
        assert!(svg.contains(word) && svg.matches("<polyline").count() >= 2, "{figure:?}");
        for dose in ["5 counts", "50 counts"] {
            assert!(svg.contains(dose), "{dose} in {figure:?}");
        }
    }
}
