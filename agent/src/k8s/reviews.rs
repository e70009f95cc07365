//! Whose a token is, and what they may get: TokenReview, then SubjectAccessReview.
//!
//! In: a bearer token and a path. Out: a [`Verdict`], or why there is none. Must not know: who asked for the path.

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, api::PostParams};

use super::{Cluster, error};
use crate::model::{Review, ReviewError, Reviewer, Verdict};

impl Reviewer for Cluster {
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Review<'a> {
        Box::pin(async move {
            let Some(user) = self.user(token).await? else { return Ok(Verdict::Unknown) };
            let may = self.may_get(user, path).await?;
            Ok(if may { Verdict::Allowed } else { Verdict::Forbidden })
        })
    }
}

impl Cluster {
    /// Whose the token is; none where the API server does not know it.
    async fn user(&self, token: &str) -> Result<Option<UserInfo>, ReviewError> {
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let answer =
            Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await.map_err(|error| failed(&error))?;
        let status = answer.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_get(&self, user: UserInfo, path: &str) -> Result<bool, ReviewError> {
        let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await.map_err(|error| failed(&error))?;
        Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

fn failed(error: &kube::Error) -> ReviewError {
    let (reason, detail) = error::of_client(error);
    ReviewError(format!("{reason}: {detail}"))
}
