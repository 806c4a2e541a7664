//! Options of `jettison why`.

use clap::Args;

#[derive(Debug, Args)]
#[command(
    after_help = "Subjects are paths in the image (`/usr/lib/libssl.so.3`, `/etc`), packages (`libc6`), modules (`flask`) and instructions (`line 5`). \
        It is known of images that `jettison optimize` and `jettison base` have made in this store.\n\n\
        Exit status: 0 all of it is in the image, 1 something is not, 2 nothing is known of the image, or your mistake."
)]
pub(crate) struct WhyArgs {
    /// The image, by name or ID
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// What to explain [default: everything, in short]
    #[arg(value_name = "PATH | PACKAGE")]
    pub(crate) subjects: Vec<String>,
}
