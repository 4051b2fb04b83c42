# Runs go with the flags of C, and with the modules in vendor/ if it is there: go itself leaves them alone for a go.mod
# of before 1.14.
case ${GOFLAGS-} in
*-mod=*) ;;
*) [ ! -d vendor ] || [ -e go.work ] || export GOFLAGS="${GOFLAGS-} -mod=vendor" ;;
esac
export CGO_CFLAGS="$CFLAGS" CGO_CXXFLAGS="${CXXFLAGS-}" CGO_LDFLAGS="$LDFLAGS"
exec go "$@"
