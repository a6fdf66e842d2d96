//! The names that a notebook cell sees: `use atomotion::prelude::*;`, which the kernel has done before the first cell.

pub use crate::analysis::{Analysis, Material, Results, comparable_patches, perfect_cells};
pub use crate::classify::{
    Classes, Components, Covariance, CrossValidated, Dendrogram, Density, Distortion, Embedded, Embedding, Features,
    GaussianMixture, Hierarchy, HowMany, Ica, KMeans, Linkage, Motifs, Nmf, NumberOfClasses, Pca, PointGroup, UnitCell,
    UnitCells,
};
pub use crate::defects::{Areas, Cut, Defects, FalseAlarms, SurrogateFrames, read_parquet, write_parquet};
pub use crate::detect::{
    Architecture, Augment, Channel, Decoding, Detector, Evidence, GeometricPhase, Group, HeldOut, Input, LabelSource,
    Labels, Lattice, Loss, On, Output, PeriodicityBreak, Plant, Planting, PublishedMask, Region, Schedule, Score,
    Scores, Sign, SplitHalf, Strain, Stream, Surrogates, Texture, Trainer, Training, published_mask, score,
};
pub use crate::device::best_device;
pub use crate::dynamics::{
    Bands, CoOccurrence, Concentration, Concentrations, Coupled, Coupling, Diffusion, DiffusionOptions, Hopping, Hops,
    LinkScores, Linker, Motion, Msd, Null, PairEnergies, Sightings, Tracks, complexes, concentration, score_links,
};
pub use crate::error::Error;
pub use crate::figure::{Animation, ColourMap, Figure, InsetAt, Theme, Width, site_map};
pub use crate::markov::{
    Chain, Corrected, Energies, Estimate, Estimation, Hidden, HoppingVacancies, Learning, PhysicalMove, Physics,
    Process, RateFit, Rates, Sequences, SiteModel, StateKind, States, Step, contradictions, memory,
};
pub use crate::movie::{
    Calibration, Drift, Frame, Jitter, MeasuredDrift, MeasuredJitter, Movie, Normalise, Saving, Stored, dataset_drift,
    dataset_events, dataset_truth, example_movies, real_data,
};
pub use crate::progress::{Progress, Reporter, check as check_interrupt};
pub use crate::session::{SessionInfo, session_info};
pub use crate::show::{Show, ShowPlan};
pub use crate::simulate::{
    Beam, Column, Composition, Crystal, DetectionLimit, Experiment, Imaging, Kinetics, LimitCurve, LimitOptions,
    Matter, Recording, Scan, Simulated, SiteKind, Ws2, detection_limit, limit_against_dose,
};
pub use crate::watch::{Followed, Model, Watch, Watched};
pub use crate::{linfa, ndarray, plotters, polars, tch};
pub use ndarray::{Array1, Array2, Array3, array, s};
pub use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, LazyFrame, NamedFrom, Series, UnionArgs, col, concat, df, lit,
};
pub use tch::{Device, Kind, Tensor};
