//! What columns of tokenized data mean, under the names that different trainers use.

/// How a column describes the documents of a packed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundaries {
    /// Lengths of the documents.
    Lengths,
    /// Their starts; the first is 0.
    Starts,
    /// Their ends, counted from the row's start; a leading 0 is allowed.
    Ends,
}

/// What a column of tokenized data says of the tokens of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Their ids.
    Ids,
    /// Their labels, not shifted.
    Labels,
    /// Which of them are trained.
    Mask,
    /// 0 = padding; above 1 = number of the document.
    Attention,
    /// Their positions, which restart at each document.
    Positions,
    /// The boundaries of documents.
    Documents(Boundaries),
}

/// The columns that are read. Of several with the same meaning the first counts; all masks do.
pub const COLUMNS: [(&str, Meaning); 15] = [
    ("input_ids", Meaning::Ids),
    ("tokens", Meaning::Ids),
    ("labels", Meaning::Labels),
    ("loss_mask", Meaning::Mask),
    ("completion_mask", Meaning::Mask),
    ("assistant_masks", Meaning::Mask),
    ("assistant_mask", Meaning::Mask),
    ("attention_mask", Meaning::Attention),
    ("position_ids", Meaning::Positions),
    ("input_pos", Meaning::Positions),
    ("seq_lengths", Meaning::Documents(Boundaries::Lengths)),
    ("seq_lens", Meaning::Documents(Boundaries::Lengths)),
    ("seq_start_id", Meaning::Documents(Boundaries::Starts)),
    ("cu_seqlens", Meaning::Documents(Boundaries::Ends)),
    ("cu_seq_lens_q", Meaning::Documents(Boundaries::Ends)),
];

/// The name of a column, if it is one that is read.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let mut names = COLUMNS.iter().map(|(known, _)| *known);
    names.find(|known| *known == name)
}
