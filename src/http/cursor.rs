use super::Problem;

/// Reads `?since=`: the revision that the client has, if it is of this run of the service. `None`
/// means that everything must be sent; so does a cursor of an earlier run.
pub(super) fn since(text: Option<&str>, epoch: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parts = text.rsplit_once('.');
    match parts.map(|(run, revision)| (run, revision.parse())) {
        Some((run, Ok(revision))) => Ok((run == epoch).then_some(revision)),
        _ => Err(Problem::bad_request(
            "since must be a cursor as an earlier answer gave it",
        )),
    }
}

/// The cursor of `revision` in this run.
pub(super) fn format(epoch: &str, revision: u64) -> String {
    format!("{epoch}.{revision}")
}
