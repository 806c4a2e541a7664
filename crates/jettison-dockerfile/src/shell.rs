use crate::instruction::Instruction;
#[derive(Debug)]
pub struct ShellScript {
    pub opaque: Option<String>,
}
pub fn shell_script(_text: &str, _escape: char, _instruction: &Instruction) -> Option<ShellScript> {
    None
}
