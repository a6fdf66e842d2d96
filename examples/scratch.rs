use atomotion::{detect::*, movie::*, simulate::Ws2};
fn truth(t:&polars::prelude::DataFrame, f:u32, sp:&str)->Vec<(f32,f32)>{
  let fr=t.column("frame").unwrap().u32().unwrap(); let s=t.column("species").unwrap().str().unwrap();
  let y=t.column("y_px").unwrap().f32().unwrap(); let x=t.column("x_px").unwrap().f32().unwrap();
  (0..t.height()).filter(|&i| fr.get(i)==Some(f) && (sp.is_empty()||s.get(i)==Some(sp))).map(|i|(y.get(i).unwrap(),x.get(i).unwrap())).collect()
}
fn main(){
  for dose in [1.5,4.0,12.0,60.0] {
    let s=Ws2::default().with_dose(dose).with_size_px(512).simulate(11).unwrap();
    let f=s.movie.frame(0).unwrap(); let t0=std::time::Instant::now();
    let l=PeriodicityBreak::default().label(&f).unwrap();
    let dt=t0.elapsed();
    let found:Vec<_>=l.regions.iter().map(|r|(r.y_px,r.x_px)).collect();
    let all=truth(&s.truth,0,""); 
    println!("dose {dose}: {l:?} {:.2}s", dt.as_secs_f32());
    println!("   all {}  recall Mo {:.2} V {:.2}", score(&found,&all,5.0).unwrap(), score(&found,&truth(&s.truth,0,"Mo_W"),5.0).unwrap().recall(), score(&found,&truth(&s.truth,0,"V_2S"),5.0).unwrap().recall());
    let p=published_mask(&f.data, PublishedMask::default());
    println!("   published pixels {}", p.iter().filter(|v|**v).count());
  }
  if let Some(d)=real_data().unwrap(){ for (n,c) in [("graphene_si_2nm.npy",0.0078),("graphene_boundary_4nm.npy",0.0078),("ws2_frame0.npy",0.0507)] {
    let m=Movie::open(d.join(n)).unwrap().with_calibration(Calibration::new(c,1.0).unwrap());
    let t0=std::time::Instant::now();
    let l=PeriodicityBreak::default().label(&m.frame(0).unwrap()).unwrap(); println!("{l:?} bin {} {:.2}s peaks {:?} strengths {:?}",l.bin,t0.elapsed().as_secs_f32(), l.lattice.peaks.len(), &l.lattice.strength[..4.min(l.lattice.strength.len())]);
    for r in l.regions.iter().take(8){println!("   {r:?}");}
  }}
}
