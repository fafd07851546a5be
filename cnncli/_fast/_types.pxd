# The two precisions; each kernel is instantiated for both.
ctypedef fused real:
    float
    double
