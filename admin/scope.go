package admin

// setOn says for which of several processes on one store what is set at run time counts.
const setOn = "this process"
